//! The notes about files.

use super::{PostgresHot, committed, first};
use crate::archive::{ArchiveError, Month, Part};

impl PostgresHot {
    pub(crate) async fn parts(&mut self, month: Option<Month>) -> Result<Vec<Part>, ArchiveError> {
        const TIME: &str = "'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'";
        let which = month.map_or("true".to_owned(), |month| format!("month = '{month}'"));
        let sql = format!(
            "SELECT id, month, part, state, file_path, record_count, file_size, sha256, digest, cursors::text, \
             to_char(archived_at AT TIME ZONE 'UTC', {TIME}), deleted, to_char(restored_at AT TIME ZONE 'UTC', {TIME}) \
             FROM soulseek.archives WHERE {which} ORDER BY month, part"
        );
        let rows = self.rows(sql).await?;
        rows.iter()
            .map(|row| Part::of_row(row).map_err(|source| self.database.error(source).into()))
            .collect()
    }

    pub(crate) async fn begin(
        &mut self,
        month: Month,
        part: i32,
        location: &str,
    ) -> Result<i64, ArchiveError> {
        let statement = sqlx::query(
            "INSERT INTO soulseek.archives (month, part, file_path) VALUES ($1, $2, $3) \
             ON CONFLICT (month, part) DO UPDATE SET state = 'writing', file_path = excluded.file_path, \
             record_count = NULL, file_size = NULL, sha256 = NULL, digest = NULL, cursors = '[]', started_at = now(), \
             archived_at = NULL RETURNING id",
        )
        .bind(month.to_string())
        .bind(part)
        .bind(location);
        let begun = async { first(&committed(&mut self.connection, statement).await?) };
        Ok(self.database.answer(begun).await?)
    }

    pub(crate) async fn begin_again(
        &mut self,
        id: i64,
        location: &str,
    ) -> Result<(), ArchiveError> {
        let statement = sqlx::query(
            "UPDATE soulseek.archives SET state = 'writing', file_path = $2, started_at = now(), archived_at = NULL \
             WHERE id = $1 AND NOT deleted",
        )
        .bind(id)
        .bind(location);
        let begun = committed(&mut self.connection, statement);
        self.database.answer(begun).await?;
        Ok(())
    }

    pub(crate) async fn written(&mut self, part: &Part) -> Result<(), ArchiveError> {
        let spans = serde_json::to_string(&part.spans).unwrap_or_default();
        let statement = sqlx::query(
            "UPDATE soulseek.archives SET state = 'written', record_count = $2, file_size = $3, sha256 = $4, \
             digest = $5, cursors = $6::jsonb WHERE id = $1",
        )
        .bind(part.id)
        .bind(part.record_count)
        .bind(part.file_size)
        .bind(&part.sha256)
        .bind(&part.digest)
        .bind(spans);
        let noted = committed(&mut self.connection, statement);
        self.database.answer(noted).await?;
        Ok(())
    }

    pub(crate) async fn verified(&mut self, id: i64) -> Result<(), ArchiveError> {
        self.holds_lock().await?;
        self.execute(format!(
            "UPDATE soulseek.archives SET state = 'verified', archived_at = now() WHERE id = {id}"
        ))
        .await
    }
}
