//! Lists: filters, order, pages.

use serde_json::{Value, json};

use super::errors::ApiError;
use super::labels::Selector;
use super::resource::{Meta, Resource};
use super::route::{Answer, Call, Reply};

const USUAL_PAGE: usize = 25;
const LONGEST_PAGE: usize = 50;

/// A list of one kind.
pub(crate) fn resources<T: Resource>(call: &mut Call<'_>) -> Answer {
    let query = call.query;
    let selector = query
        .first("label_selector")
        .map(Selector::parse)
        .transpose();
    let selector = selector.map_err(|reason| ApiError::field("label_selector", reason))?;
    let name = query.first("name");
    let filters: Vec<_> = T::FILTERS
        .iter()
        .map(|&filter| (filter, query.all(filter)))
        .filter(|(_, values)| !values.is_empty())
        .collect();
    let project = &*call.project;
    let mut found: Vec<&T> = T::table(&project.state)
        .values()
        .filter(|one| {
            let meta = one.meta();
            name.is_none_or(|name| meta.name == name)
                && selector
                    .as_ref()
                    .is_none_or(|selector| selector.matches(&meta.labels))
                && filters
                    .iter()
                    .all(|(filter, values)| values.iter().any(|value| one.has(filter, value)))
        })
        .collect();
    for (field, descending) in orders(call, T::SORT)?.iter().rev() {
        found.sort_by(|a, b| {
            let order = compare(field, a.meta(), b.meta());
            if *descending { order.reverse() } else { order }
        });
    }
    page(call, T::PLURAL, found.len(), |index| {
        found[index].view(project)
    })
}

/// A list of what has no labels, in the order it has.
pub(crate) fn values(call: &Call<'_>, plural: &str, mut values: Vec<Value>) -> Answer {
    if let Some(name) = call.query.first("name") {
        values.retain(|value| value["name"] == name);
    }
    page(call, plural, values.len(), |index| values[index].clone())
}

/// What the query wants a list sorted by: fields, and whether from the end.
pub(crate) fn orders(call: &Call<'_>, allowed: &[&str]) -> Result<Vec<(String, bool)>, ApiError> {
    let wanted = call.query.all("sort").into_iter().map(|order| {
        let (field, direction) = order.split_once(':').unwrap_or((order, "asc"));
        if allowed.contains(&field) && ["asc", "desc"].contains(&direction) {
            Ok((field.to_owned(), direction == "desc"))
        } else {
            Err(ApiError::field(
                "sort",
                format!("'{order}' is not a valid sort parameter"),
            ))
        }
    });
    wanted.collect()
}

fn compare(field: &str, a: &Meta, b: &Meta) -> std::cmp::Ordering {
    match field {
        "name" => a.name.cmp(&b.name),
        "created" => a.created.cmp(&b.created),
        _ => a.id.cmp(&b.id),
    }
}

/// One page of `count` things.
pub(crate) fn page(
    call: &Call<'_>,
    plural: &str,
    count: usize,
    view: impl Fn(usize) -> Value,
) -> Answer {
    let page = number(call, "page", 1)?;
    let per_page = number(call, "per_page", USUAL_PAGE)?.min(LONGEST_PAGE);
    let last = count.div_ceil(per_page).max(1);
    let first = (page - 1).saturating_mul(per_page).min(count);
    let items: Vec<_> = (first..first.saturating_add(per_page).min(count))
        .map(view)
        .collect();
    let next = (page < last).then_some(page + 1);
    let previous = (page > 1).then_some(page - 1);
    let mut reply = Reply::ok(json!({
        plural: items,
        "meta": {"pagination": {
            "page": page,
            "per_page": per_page,
            "previous_page": previous,
            "next_page": next,
            "last_page": last,
            "total_entries": count,
        }},
    }));
    let links = [("prev", previous), ("next", next), ("last", Some(last))];
    let links: Vec<_> = links
        .iter()
        .filter_map(|(relation, page)| {
            Some(format!("<{}>; rel={relation}", call.url_of_page((*page)?)))
        })
        .collect();
    reply.link = Some(links.join(", "));
    Ok(reply)
}

fn number(call: &Call<'_>, name: &str, usual: usize) -> Result<usize, ApiError> {
    let Some(text) = call.query.first(name) else {
        return Ok(usual);
    };
    let number = text.parse().ok().filter(|&number| number > 0);
    number.ok_or_else(|| ApiError::field(name, "has to be an integer greater than 0"))
}
