//! Servers and pods.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::table::{Column, draw, fit};
use super::{panel, words};
use crate::commands::monitor::app::App;
use crate::commands::monitor::snapshot::{Origin, Pod, Server};

pub(super) fn servers(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let theme = &app.theme;
    let snapshot = &app.snapshot;
    let inner = panel(
        frame,
        area,
        "Servers",
        snapshot.errors_of(Origin::Servers),
        theme,
    );
    let currency = snapshot
        .monthly_cost
        .as_ref()
        .map_or("", |cost| cost.currency.as_str());
    let column = |title, rank, cell: &dyn Fn(&Server) -> Span<'static>| {
        Column::new(title, rank, snapshot.servers.iter().map(cell).collect())
    };
    let status = |server: &Server| {
        let style = match server.status.as_str() {
            "running" => theme.good,
            "initializing" | "starting" | "stopping" | "migrating" | "rebuilding" => theme.doubtful,
            _ => theme.bad,
        };
        Span::styled(format!("● {}", server.status), style)
    };
    let cost = |server: &Server| {
        let cost = server
            .monthly_cost
            .as_ref()
            .map(|cost| words::money(cost, currency));
        Span::raw(cost.unwrap_or_else(|| words::NOTHING.to_owned()))
    };
    let text = |text: Option<&String>| Span::raw(text.cloned().unwrap_or_default());
    let mut columns = vec![
        column("SERVER", 0, &|server| text(Some(&server.role))),
        column("STATUS", 0, &status),
        column("LOCATION", 2, &|server| text(Some(&server.location))),
        column("TYPE", 3, &|server| text(Some(&server.server_type))),
        column("ADDRESS", 4, &|server| text(server.address.as_ref())),
        column("A MONTH", 1, &cost).right(),
    ];
    fit(&mut columns, inner.width);
    draw(frame, inner, &columns, theme.dim);
}

pub(super) fn pods(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let theme = &app.theme;
    let snapshot = &app.snapshot;
    let inner = panel(frame, area, "Pods", snapshot.errors_of(Origin::Pods), theme);
    let column = |title, rank, cell: &dyn Fn(&Pod) -> Span<'static>| {
        Column::new(title, rank, snapshot.pods.iter().map(cell).collect())
    };
    let phase = |pod: &Pod| {
        let (style, text) = match pod.phase.as_str() {
            "Running" if pod.ready => (theme.good, "ready"),
            "Succeeded" => (theme.dim, "done"),
            "Running" => (theme.doubtful, "not ready"),
            "Pending" => (theme.doubtful, "pending"),
            _ => (theme.bad, pod.phase.as_str()),
        };
        Span::styled(format!("● {text}"), style)
    };
    let restarts = |pod: &Pod| {
        let style = if pod.restarts > 0 {
            theme.doubtful
        } else {
            Style::new()
        };
        Span::styled(pod.restarts.to_string(), style)
    };
    let mut columns = vec![
        column("POD", 0, &|pod| Span::raw(pod.name.clone())),
        column("STATUS", 0, &phase),
        column("RESTARTS", 1, &restarts).right(),
        column("NODE", 2, &|pod| {
            Span::raw(pod.node.clone().unwrap_or_default())
        }),
    ];
    fit(&mut columns, inner.width);
    draw(frame, inner, &columns, theme.dim);
}
