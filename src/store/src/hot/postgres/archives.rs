//! The notes about files.

use sqlx::postgres::PgRow;
use sqlx::{Connection as _, Row as _};

use super::PostgresHot;
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
            .map(|row| part(row).map_err(|source| self.database.error(source).into()))
            .collect()
    }

    pub(crate) async fn begin(
        &mut self,
        month: Month,
        part: i32,
        location: &str,
    ) -> Result<i64, ArchiveError> {
        let begun = async {
            let mut transaction = self.connection.begin().await?;
            let id = sqlx::query_scalar(
                "INSERT INTO soulseek.archives (month, part, file_path) VALUES ($1, $2, $3) \
                 ON CONFLICT (month, part) DO UPDATE SET state = 'writing', file_path = excluded.file_path, \
                 record_count = NULL, file_size = NULL, sha256 = NULL, digest = NULL, cursors = '[]', started_at = now(), \
                 archived_at = NULL RETURNING id",
            )
            .bind(month.to_string())
            .bind(part)
            .bind(location)
            .persistent(false)
            .fetch_one(&mut *transaction)
            .await?;
            transaction.commit().await?;
            Ok(id)
        };
        Ok(self.database.answer(begun).await?)
    }

    pub(crate) async fn written(&mut self, part: &Part) -> Result<(), ArchiveError> {
        let spans = serde_json::to_string(&part.spans).unwrap_or_default();
        let noted = async {
            let mut transaction = self.connection.begin().await?;
            sqlx::query(
                "UPDATE soulseek.archives SET state = 'written', record_count = $2, file_size = $3, sha256 = $4, \
                 digest = $5, cursors = $6::jsonb WHERE id = $1",
            )
            .bind(part.id)
            .bind(part.record_count)
            .bind(part.file_size)
            .bind(&part.sha256)
            .bind(&part.digest)
            .bind(spans)
            .persistent(false)
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await
        };
        Ok(self.database.answer(noted).await?)
    }

    pub(crate) async fn verified(&mut self, id: i64) -> Result<(), ArchiveError> {
        self.execute(format!(
            "UPDATE soulseek.archives SET state = 'verified', archived_at = now() WHERE id = {id}"
        ))
        .await
    }
}

fn part(row: &PgRow) -> Result<Part, sqlx::Error> {
    let state: String = row.try_get(3)?;
    let spans: String = row.try_get(9)?;
    Ok(Part {
        id: row.try_get(0)?,
        month: row.try_get(1)?,
        part: row.try_get(2)?,
        state: state.parse().map_err(sqlx::Error::Protocol)?,
        file_path: row.try_get(4)?,
        record_count: row.try_get(5)?,
        file_size: row.try_get(6)?,
        sha256: row.try_get(7)?,
        digest: row.try_get(8)?,
        spans: serde_json::from_str(&spans).map_err(|error| sqlx::Error::Decode(error.into()))?,
        archived_at: row.try_get(10)?,
        deleted: row.try_get(11)?,
        restored_at: row.try_get(12)?,
    })
}
