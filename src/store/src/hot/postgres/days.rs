//! The figures of days, and what they are computed from.

use std::ops::Range;

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgRow;

use super::{PostgresHot, committed};
use crate::archive::ArchiveError;
use crate::hot::JournalLine;

impl PostgresHot {
    pub(crate) async fn stale_days(&mut self) -> Result<Vec<(i32, i64)>, ArchiveError> {
        self.records(
            "SELECT day - DATE '1970-01-01', sum(d.searches)::bigint FROM soulseek.day_count d \
             LEFT JOIN soulseek.day_figures f USING (day) GROUP BY day, f.searches \
             HAVING f.searches IS DISTINCT FROM sum(d.searches) ORDER BY day"
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
        let statement = sqlx::query(
            "INSERT INTO soulseek.day_figures (day, searches, figures) VALUES (DATE '1970-01-01' + $1, $2, $3::jsonb) \
             ON CONFLICT (day) DO UPDATE SET searches = excluded.searches, figures = excluded.figures, \
             computed_at = now()",
        )
        .bind(day)
        .bind(searches)
        .bind(figures);
        let saved = committed(&mut self.connection, statement);
        self.database.answer(saved).await?;
        Ok(())
    }

    pub(crate) async fn days(
        &mut self,
        days: Range<i32>,
    ) -> Result<Vec<(i32, String)>, ArchiveError> {
        let Range { start, end } = days;
        self.records(format!(
            "SELECT day - DATE '1970-01-01', figures::text FROM soulseek.day_figures \
             WHERE day >= DATE '1970-01-01' + {start} AND day < DATE '1970-01-01' + {end} ORDER BY day"
        ))
        .await
    }

    pub(crate) async fn journal(
        &mut self,
        micros: Range<i64>,
    ) -> Result<Vec<JournalLine>, ArchiveError> {
        let Range { start, end } = micros;
        let (from, to) = (
            format!("to_timestamp({start} / 1000000.0)"),
            format!("to_timestamp({end} / 1000000.0)"),
        );
        // From a client's last start before the range on, to know what it was doing when the range began.
        let begin = format!(
            "coalesce((SELECT max(at) FROM soulseek.event WHERE client = c.id AND at < {from} AND kind = 'started'), {from})"
        );
        self.records(format!(
            "SELECT c.name AS client_id, (extract(epoch FROM e.at) * 1000000)::bigint AS at, e.kind, e.detail \
             FROM soulseek.client c JOIN soulseek.event e ON e.client = c.id \
             WHERE e.at >= {begin} AND e.at < {to} ORDER BY e.at"
        ))
        .await
    }

    async fn records<T>(&mut self, sql: String) -> Result<Vec<T>, ArchiveError>
    where
        T: for<'r> sqlx::FromRow<'r, PgRow>,
    {
        let rows = committed(&mut self.connection, sqlx::query(AssertSqlSafe(sql)));
        let rows = self.database.answer(rows).await?;
        let record = |row| T::from_row(row).map_err(|source| self.database.error(source).into());
        rows.iter().map(record).collect()
    }
}
