use std::collections::{HashMap, HashSet};

use super::*;

const COUNT: usize = 200_000;

fn heard(options: TrafficOptions) -> Vec<Heard> {
    Traffic::new(options).take(COUNT).collect()
}

/// The share of `part` in `whole`.
fn share(part: usize, whole: usize) -> f64 {
    f64::from(u32::try_from(part).unwrap()) / f64::from(u32::try_from(whole).unwrap())
}

#[test]
fn the_same_seed_gives_the_same_traffic() {
    let first: Vec<_> = Traffic::new(TrafficOptions::default()).take(5000).collect();
    let again: Vec<_> = Traffic::new(TrafficOptions::default()).take(5000).collect();
    assert_eq!(first, again);
    let other = TrafficOptions {
        seed: 2,
        ..TrafficOptions::default()
    };
    assert_ne!(first, Traffic::new(other).take(5000).collect::<Vec<_>>());
}

#[test]
fn it_comes_in_order_and_at_the_rate_of_the_options() {
    let options = TrafficOptions::default();
    let searches = heard(options.clone());
    assert!(searches.is_sorted_by_key(|heard| heard.at_micros));
    assert!(searches[0].at_micros >= options.start_micros);
    let seconds = float(searches[COUNT - 1].at_micros - options.start_micros) / SECOND;
    let rate = share(COUNT, 3) / seconds / options.heard;
    assert!(
        (rate / options.searches_per_second - 1.0).abs() < 0.2,
        "{rate} searches a second"
    );
}

#[test]
fn regions_hear_most_searches_and_mostly_the_same() {
    let searches = heard(TrafficOptions::default());
    let mut events: HashMap<_, HashSet<u32>> = HashMap::new();
    for Heard {
        region,
        username,
        token,
        query,
        at_micros,
    } in searches
    {
        // Wishes come again after minutes; the same search is heard everywhere within seconds.
        let event = (username, token, query, at_micros / 60_000_000);
        events.entry(event).or_default().insert(region);
    }
    let all = events.values().filter(|regions| regions.len() == 3).count();
    let found = share(all, events.len());
    // 0.9 to the third power, less those across a minute's end.
    assert!(
        (0.68..0.75).contains(&found),
        "{found} are heard by all three"
    );
}

#[test]
fn texts_are_as_long_as_those_of_people() {
    let searches = heard(TrafficOptions::default());
    let names: HashSet<_> = searches.iter().map(|heard| &heard.username).collect();
    assert!(names.iter().all(|name| (3..=20).contains(&name.len())));
    let mean = |lengths: usize, count| share(lengths, count);
    let name = mean(names.iter().map(|name| name.len()).sum(), names.len());
    assert!((9.0..11.5).contains(&name), "names have {name} characters");
    let query = mean(searches.iter().map(|heard| heard.query.len()).sum(), COUNT);
    assert!((20.0..25.0).contains(&query), "queries have {query} bytes");
    let foreign = searches
        .iter()
        .filter(|heard| !heard.query.is_ascii())
        .count();
    assert!((0.02..0.2).contains(&share(foreign, COUNT)));
    assert!(
        searches
            .iter()
            .all(|heard| heard.query.split(' ').count() >= 2)
    );
}

#[test]
fn wishes_come_again_with_their_token_and_typed_searches_do_not() {
    let repeats = |options| {
        let mut last: HashMap<_, i64> = HashMap::new();
        let mut repeats = 0;
        for heard in heard(options) {
            let at = heard.at_micros;
            let key = (heard.username, heard.token, heard.query);
            if last
                .insert(key, at)
                .is_some_and(|before| at - before > 60_000_000)
            {
                repeats += 1;
            }
        }
        share(repeats, COUNT)
    };
    let one_region = TrafficOptions {
        regions: 1,
        ..TrafficOptions::default()
    };
    assert!(repeats(one_region) > 0.05);
    assert!(repeats(TrafficOptions::worst_case()) < 0.001);
}

#[test]
fn tokens_of_most_users_count_up() {
    let options = TrafficOptions {
        wishlist_share: 0.0,
        regions: 1,
        ..TrafficOptions::default()
    };
    let mut last: HashMap<_, u32> = HashMap::new();
    let (mut next, mut all) = (0, 0);
    for heard in heard(options) {
        if let Some(before) = last.insert(heard.username, heard.token) {
            all += 1;
            next += usize::from((1..4).contains(&heard.token.wrapping_sub(before)));
        }
    }
    let found = share(next, all);
    assert!((0.5..0.9).contains(&found), "{found} follow the one before");
}

#[test]
fn more_is_typed_in_the_evening() {
    let options = TrafficOptions {
        searches_per_second: 0.5,
        wishlist_share: 0.0,
        regions: 1,
        ..TrafficOptions::default()
    };
    let start = options.start_micros;
    let mut hours = [0_u32; 24];
    for heard in
        Traffic::new(options).take_while(|heard| heard.at_micros - start < 10 * micros(DAY))
    {
        let hour = (heard.at_micros - start) / micros(HOUR) % 24;
        hours[usize::try_from(hour).unwrap()] += 1;
    }
    let (evening, morning): (u32, u32) = (hours[18..22].iter().sum(), hours[6..10].iter().sum());
    assert!(f64::from(evening) > 1.5 * f64::from(morning), "{hours:?}");
}
