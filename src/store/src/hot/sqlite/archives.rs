//! The notes about files.

use super::SqliteHot;
use crate::archive::{ArchiveError, Month, Part};

impl SqliteHot {
    pub(crate) async fn parts(&mut self, month: Option<Month>) -> Result<Vec<Part>, ArchiveError> {
        let which = month.map_or("1".to_owned(), |month| format!("month = '{month}'"));
        let sql = format!(
            "SELECT id, month, part, state, file_path, record_count, file_size, sha256, digest, cursors, archived_at, \
             deleted, restored_at FROM archives WHERE {which} ORDER BY month, part"
        );
        let rows = self.rows(sql).await?;
        rows.iter()
            .map(|row| Part::of_row(row).map_err(|source| self.error(source)))
            .collect()
    }

    pub(crate) async fn begin(
        &mut self,
        month: Month,
        part: i32,
        location: &str,
    ) -> Result<i64, ArchiveError> {
        let id = sqlx::query_scalar(
            "INSERT INTO archives (month, part, file_path) VALUES (?, ?, ?) \
             ON CONFLICT (month, part) DO UPDATE SET state = 'writing', file_path = excluded.file_path, \
             record_count = NULL, file_size = NULL, sha256 = NULL, digest = NULL, cursors = '[]', archived_at = NULL \
             RETURNING id",
        )
        .bind(month.to_string())
        .bind(part)
        .bind(location)
        .fetch_one(&mut self.connection)
        .await;
        id.map_err(|source| self.error(source))
    }

    pub(crate) async fn begin_again(
        &mut self,
        id: i64,
        location: &str,
    ) -> Result<(), ArchiveError> {
        let begun = sqlx::query(
            "UPDATE archives SET state = 'writing', file_path = ?, archived_at = NULL WHERE id = ? AND NOT deleted",
        )
        .bind(location)
        .bind(id)
        .execute(&mut self.connection)
        .await;
        begun.map(|_| ()).map_err(|source| self.error(source))
    }

    pub(crate) async fn written(&mut self, part: &Part) -> Result<(), ArchiveError> {
        let noted = sqlx::query(
            "UPDATE archives SET state = 'written', record_count = ?, file_size = ?, sha256 = ?, digest = ?, cursors = ? \
             WHERE id = ?",
        )
        .bind(part.record_count)
        .bind(part.file_size)
        .bind(&part.sha256)
        .bind(&part.digest)
        .bind(serde_json::to_string(&part.spans).unwrap_or_default())
        .bind(part.id)
        .execute(&mut self.connection)
        .await;
        noted.map(|_| ()).map_err(|source| self.error(source))
    }

    pub(crate) async fn verified(&mut self, id: i64) -> Result<(), ArchiveError> {
        self.rows(format!(
            "UPDATE archives SET state = 'verified', archived_at = strftime('%Y-%m-%dT%H:%M:%SZ') WHERE id = {id}"
        ))
        .await
        .map(|_| ())
    }
}
