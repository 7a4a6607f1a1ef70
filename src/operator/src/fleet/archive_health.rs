//! Whether months that are over are in the archive. Pure.

use fleet_api::conditions::reasons;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::found::{JobState, job_state};
use super::names::{Component, child};
use super::status::{Aspect, Looked};
use super::valid::Fleet;
use kube::ResourceExt as _;

/// Days of a month in which the one before has to be archived.
const DAYS: i64 = 3;

pub(super) fn archive_health(fleet: &Fleet, looked: &Looked<'_>) -> Aspect {
    if fleet.archive().is_none() {
        return Aspect::yes(reasons::NOT_WANTED, "the spec has no archive");
    }
    let cron_job = looked.found.cron_jobs.get(&child(&fleet.name, "archive"));
    let Some(cron_job) = cron_job else {
        return Aspect::no(reasons::IN_PROGRESS, "archives are about to be scheduled");
    };
    let status = cron_job.status.clone().unwrap_or_default();
    let succeeded = status.last_successful_time.map(|time| time.0);
    if let Some((at, message)) = last_failure(looked)
        && succeeded.is_none_or(|succeeded| succeeded < at)
    {
        let message = format!("the last archive failed: {message}");
        return Aspect::no(reasons::RUN_FAILED, message);
    }
    let since = cron_job.creation_timestamp().map(|time| time.0);
    match overdue(since, succeeded, looked.now) {
        Some(month) => Aspect::no(
            reasons::OVERDUE,
            format!("no archive has been written since {month}, look at the CronJob"),
        ),
        None if succeeded.is_none() => Aspect::yes(reasons::NOT_DUE, "no month is over yet"),
        None => Aspect::yes(reasons::AS_WANTED, "months that are over are archived"),
    }
}

/// The run that failed last.
fn last_failure(looked: &Looked<'_>) -> Option<(Timestamp, String)> {
    let jobs = looked.found.jobs.values();
    let runs = jobs.filter(|job| Component::Archive.is_of(&***job));
    let failed = runs.filter_map(|job| match job_state(job) {
        JobState::Failed {
            message,
            at: Some(at),
        } => Some((at, message)),
        _ => None,
    });
    failed.max_by_key(|(at, _)| *at)
}

/// The beginning of the month since which nothing was archived, if it is time.
fn overdue(since: Option<Timestamp>, succeeded: Option<Timestamp>, now: Timestamp) -> Option<Date> {
    let month = now.to_zoned(TimeZone::UTC).date().first_of_month();
    let begin = month.to_zoned(TimeZone::UTC).ok()?.timestamp();
    let due = month.checked_add(DAYS.days()).ok()?;
    let due = due.to_zoned(TimeZone::UTC).ok()?.timestamp();
    let is_old_enough = since.is_some_and(|since| since < begin);
    let is_done = succeeded.is_some_and(|succeeded| succeeded >= begin);
    (now > due && is_old_enough && !is_done).then_some(month)
}

#[cfg(test)]
mod tests {
    use super::overdue;

    #[test]
    fn a_month_is_overdue_after_three_days() {
        let at = |text: &str| Some(text.parse().unwrap());
        let (old, new) = (at("2026-09-10T00:00:00Z"), at("2026-11-01T12:00:00Z"));
        for (since, succeeded, now, is_overdue) in [
            (old, None, "2026-11-03T00:00:00Z", false),
            (old, None, "2026-11-05T00:00:00Z", true),
            (
                old,
                at("2026-10-01T02:00:00Z"),
                "2026-11-05T00:00:00Z",
                true,
            ),
            (
                old,
                at("2026-11-01T02:00:00Z"),
                "2026-11-05T00:00:00Z",
                false,
            ),
            (new, None, "2026-11-05T00:00:00Z", false),
        ] {
            let found = overdue(since, succeeded, now.parse().unwrap());
            assert_eq!(found.is_some(), is_overdue, "{now}");
        }
    }
}
