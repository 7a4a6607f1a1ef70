//! The figures of days, and what they are computed from.

use std::ops::Range;

use sqlx::sqlite::SqliteRow;

use super::SqliteHot;
use crate::archive::ArchiveError;
use crate::hot::JournalLine;

impl SqliteHot {
    pub(crate) async fn stale_days(&mut self) -> Result<Vec<(i32, i64)>, ArchiveError> {
        self.count_new().await?;
        self.records(
            "SELECT day, sum(day_count.searches) FROM day_count LEFT JOIN day_figures USING (day) \
             GROUP BY day, day_figures.searches HAVING day_figures.searches IS NOT sum(day_count.searches) ORDER BY day"
                .to_owned(),
        )
        .await
    }

    pub(crate) async fn save_day(
        &mut self,
        day: i32,
        searches: i64,
        figures: &str,
    ) -> Result<(), ArchiveError> {
        let saved = sqlx::query(
            "INSERT INTO day_figures (day, searches, figures) VALUES (?, ?, ?) ON CONFLICT (day) DO UPDATE \
             SET searches = excluded.searches, figures = excluded.figures, computed_at = strftime('%Y-%m-%dT%H:%M:%SZ')",
        )
        .bind(day)
        .bind(searches)
        .bind(figures)
        .execute(&mut self.connection)
        .await;
        saved.map(|_| ()).map_err(|source| self.error(source))
    }

    pub(crate) async fn days(
        &mut self,
        days: Range<i32>,
    ) -> Result<Vec<(i32, String)>, ArchiveError> {
        let Range { start, end } = days;
        self.records(format!(
            "SELECT day, figures FROM day_figures WHERE day >= {start} AND day < {end} ORDER BY day"
        ))
        .await
    }

    pub(crate) async fn journal(
        &mut self,
        micros: Range<i64>,
    ) -> Result<Vec<JournalLine>, ArchiveError> {
        let Range { start, end } = micros;
        self.records(format!(
            "SELECT name AS client_id, at, kind, detail FROM event JOIN client ON client.id = event.client \
             WHERE at < {end} AND at >= coalesce((SELECT max(at) FROM event AS e WHERE e.client = client.id \
             AND e.at < {start} AND e.kind = 'started'), {start}) ORDER BY event.id"
        ))
        .await
    }

    async fn records<T>(&mut self, sql: String) -> Result<Vec<T>, ArchiveError>
    where
        T: for<'r> sqlx::FromRow<'r, SqliteRow>,
    {
        let rows = self.rows(sql).await?;
        let record = |row| T::from_row(row).map_err(|source| self.error(source));
        rows.iter().map(record).collect()
    }
}
