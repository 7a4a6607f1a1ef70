use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::{Instant, advance};

use super::*;
use crate::code::ErrorCode;
use crate::error::ApiError;

/// An API whose actions end at given moments.
#[derive(Clone, Default)]
struct Script {
    ends: Arc<Mutex<BTreeMap<i64, (Instant, ActionStatus)>>>,
    requests: Arc<AtomicUsize>,
    largest: Arc<AtomicUsize>,
    /// So many requests fail at first.
    outages: Arc<AtomicUsize>,
}

impl Script {
    fn begin(&self, id: i64, seconds: u64, status: &ActionStatus) {
        let end = Instant::now() + Duration::from_secs(seconds);
        self.ends
            .lock()
            .expect("not poisoned")
            .insert(id, (end, status.clone()));
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    fn answer(&self, ids: &[i64]) -> Result<Vec<Action>, Error> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.largest.fetch_max(ids.len(), Ordering::Relaxed);
        let count_down = |left: usize| left.checked_sub(1);
        if self
            .outages
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, count_down)
            .is_ok()
        {
            return Err(refusal(503));
        }
        let ends = self.ends.lock().expect("not poisoned");
        let known = ids.iter().filter_map(|id| ends.get_key_value(id));
        Ok(known
            .map(|(id, (end, status))| {
                let has_ended = Instant::now() >= *end;
                action(
                    *id,
                    if has_ended {
                        status
                    } else {
                        &ActionStatus::Running
                    },
                )
            })
            .collect())
    }

    fn watch(&self, poller: &Poller, ids: &[i64]) -> UnboundedReceiver<News> {
        let script = self.clone();
        poller.watch(ids.to_vec(), move |ids| {
            let script = script.clone();
            async move { script.answer(&ids) }
        })
    }
}

fn action(id: i64, status: &ActionStatus) -> Action {
    let json = serde_json::json!({ "id": id, "command": "create_server", "status": status });
    serde_json::from_value(json).expect("an action")
}

fn refusal(status: u16) -> Error {
    let status = reqwest::StatusCode::from_u16(status).expect("a status");
    ApiError::new("GET /actions".to_owned(), status, b"").into()
}

/// Until the action ends, or something is wrong.
async fn end(news: &mut UnboundedReceiver<News>) -> News {
    loop {
        match news.recv().await.expect("news") {
            News::Seen(action) if action.status == ActionStatus::Running => {}
            News::Delayed(_) => {}
            news => return news,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn fifty_creations_within_a_second_cost_a_dozen_requests() {
    let (poller, script) = (Poller::default(), Script::default());
    let start = Instant::now();
    let mut waiting = Vec::new();
    for id in 1..=50 {
        script.begin(id, 10, &ActionStatus::Success);
        let mut news = script.watch(&poller, &[id]);
        waiting.push(tokio::spawn(async move {
            matches!(end(&mut news).await, News::Seen(_))
        }));
        advance(Duration::from_millis(20)).await;
    }
    for one in waiting {
        assert!(one.await.expect("no panic"));
    }
    assert!(script.requests() <= 12, "{} requests", script.requests());
    assert_eq!(
        script.largest.load(Ordering::Relaxed),
        50,
        "one asks for all"
    );
    assert!(
        start.elapsed() < Duration::from_secs(11) + LONGEST,
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_short_action_is_noticed_soon() {
    let (poller, script) = (Poller::default(), Script::default());
    for id in 1..=3 {
        let start = Instant::now();
        script.begin(id, 1, &ActionStatus::Success);
        assert!(matches!(
            end(&mut script.watch(&poller, &[id])).await,
            News::Seen(_)
        ));
        assert_eq!(
            start.elapsed(),
            Duration::from_millis(1250),
            "every time, when nothing else runs"
        );
    }
    assert_eq!(script.requests(), 6);
}

#[tokio::test(start_paused = true)]
async fn more_than_a_page_is_asked_for_in_pages() {
    let (poller, script) = (Poller::default(), Script::default());
    let ids: Vec<i64> = (1..=120).collect();
    for id in &ids {
        script.begin(*id, 0, &ActionStatus::Success);
    }
    let mut news = script.watch(&poller, &ids);
    let mut seen = Vec::new();
    while let Some(News::Seen(action)) = news.recv().await {
        seen.push(action.id);
    }
    assert_eq!(seen, ids);
    assert_eq!(
        (script.requests(), script.largest.load(Ordering::Relaxed)),
        (3, 50)
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_goes_is_not_asked_for() {
    let (poller, script) = (Poller::default(), Script::default());
    script.begin(1, 3600, &ActionStatus::Success);
    let news = script.watch(&poller, &[1]);
    sleep(Duration::from_mins(1)).await;
    drop(news);
    sleep(LONGEST).await;
    let requests = script.requests();
    sleep(Duration::from_mins(1)).await;
    assert_eq!(script.requests(), requests);
    assert!(!poller.state().is_polling);
}

#[tokio::test(start_paused = true)]
async fn an_action_that_is_not_known_concerns_only_who_asks_for_it() {
    let (poller, script) = (Poller::default(), Script::default());
    script.begin(1, 5, &ActionStatus::Error);
    let mut known = script.watch(&poller, &[1]);
    let mut unknown = script.watch(&poller, &[2]);
    assert!(matches!(end(&mut unknown).await, News::Missing(2)));
    assert!(
        matches!(end(&mut known).await, News::Seen(action) if action.status == ActionStatus::Error)
    );
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_waited_out_and_told() {
    let (poller, script) = (Poller::default(), Script::default());
    script.outages.store(10, Ordering::Relaxed);
    script.begin(1, 1, &ActionStatus::Success);
    let mut news = script.watch(&poller, &[1]);
    assert!(
        matches!(news.recv().await, Some(News::Delayed(error)) if error.code() == Some(&ErrorCode::Unavailable))
    );
    assert!(matches!(end(&mut news).await, News::Seen(_)));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_ends_it() {
    let poller = Poller::default();
    let mut news = poller.watch(vec![1], |_| async { Err(refusal(401)) });
    assert!(matches!(end(&mut news).await, News::Failed(error) if error.is_unauthorized()));
    assert!(news.recv().await.is_none());
    assert!(!poller.state().is_polling);
}

#[test]
fn a_runtime_that_ends_lets_others_go_on() {
    let poller = Poller::default();
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime")
    };
    let first = runtime();
    let mut news = first.block_on(async { poller.watch(vec![1], |_| async { Ok(vec![]) }) });
    drop(first);
    runtime().block_on(async {
        assert!(news.recv().await.is_none(), "it is told to register again");
        let mut again = poller.watch(vec![1], |_| async {
            Ok(vec![action(1, &ActionStatus::Success)])
        });
        assert!(matches!(end(&mut again).await, News::Seen(_)));
    });
}
