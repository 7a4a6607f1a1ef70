//! Where the lines of a plot go. The template draws them; here are only coordinates, in pixels.

use serde::Serialize;

use super::words::{float, short};

/// A plot is drawn twice: as wide as a page, and as wide as a phone. CSS shows one of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) name: &'static str,
    pub(crate) width: f64,
    pub(crate) height: f64,
    /// Labels that fit below the plot.
    labels: usize,
}

pub(crate) const WIDE: Size = Size {
    name: "wide",
    width: 760.0,
    height: 250.0,
    labels: 10,
};
pub(crate) const HALF: Size = Size {
    name: "wide",
    width: 370.0,
    height: 200.0,
    labels: 5,
};
pub(crate) const NARROW: Size = Size {
    name: "narrow",
    width: 350.0,
    height: 220.0,
    labels: 5,
};

const LEFT: f64 = 46.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 26.0;
/// Up to so many slots and bars are bars; more are lines.
const MOST_SLOTS: usize = 12;
const MOST_BARS: usize = 40;
const WIDEST_BAR: f64 = 34.0;

/// A line on an axis with its text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Tick {
    pub(crate) at: f64,
    pub(crate) label: String,
}

/// A rectangle; `tip` is what stands beside the pointer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Rect {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) tip: String,
}

/// A dot of a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Dot {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) hollow: bool,
}

/// One region's line, or its bars.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Line {
    /// The CSS class with its colour.
    pub(crate) class: String,
    /// An SVG path.
    pub(crate) path: String,
    /// An SVG path around what the true value may be.
    pub(crate) band: String,
    pub(crate) dots: Vec<Dot>,
    pub(crate) bars: Vec<Bar>,
}

/// A bar from the axis up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Bar {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) hollow: bool,
}

/// A plot over slots of equal width, days or hours.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Plot {
    pub(crate) size: &'static str,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
    pub(crate) y_ticks: Vec<Tick>,
    pub(crate) x_ticks: Vec<Tick>,
    /// Slots without figures.
    pub(crate) missing: Vec<Rect>,
    pub(crate) lines: Vec<Line>,
    /// Over each slot, for the pointer.
    pub(crate) hits: Vec<Rect>,
}

/// A value and how far off it may be.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Value {
    pub(crate) value: f64,
    pub(crate) error: f64,
    /// Whether it stands for a part of its slot only; then it is drawn hollow.
    pub(crate) part: bool,
}

/// One day or hour.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slot {
    pub(crate) label: String,
    pub(crate) tip: String,
    pub(crate) missing: bool,
    /// Goes on: nothing leads to it.
    pub(crate) unfinished: bool,
}

/// What is drawn in one colour: a value for each slot, where there is one.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) class: String,
    pub(crate) values: Vec<Option<Value>>,
}

/// Places everything. `bars` allows bars where there are few values.
pub(crate) fn plot(size: Size, slots: &[Slot], series: &[Series], bars: bool) -> Plot {
    let right = size.width - RIGHT;
    let bottom = size.height - BOTTOM;
    let values = series.iter().flat_map(|series| &series.values).flatten();
    let highest = values
        .map(|value| value.value + 2.0 * value.error)
        .fold(0.0, f64::max);
    let steps = nice_steps(highest);
    let top_value = steps.last().copied().unwrap_or(1.0);
    let count = float(slots.len().max(1) as u64);
    let slot = (right - LEFT) / count;
    let frame = Frame {
        slot,
        bottom,
        scale: (bottom - TOP) / top_value,
    };
    let few = slots.len() <= MOST_SLOTS && slots.len() * series.len() <= MOST_BARS;
    let draws_bars = bars && few;
    let lines = series.iter().enumerate().map(|(index, each)| {
        if draws_bars {
            frame.bars(each, index, series.len())
        } else {
            frame.line(each, slots)
        }
    });
    Plot {
        size: size.name,
        width: size.width,
        height: size.height,
        left: LEFT,
        right,
        bottom,
        y_ticks: steps
            .iter()
            .map(|&step| Tick {
                at: frame.y(step),
                label: short(step),
            })
            .collect(),
        x_ticks: frame.x_ticks(slots, size.labels),
        missing: frame.columns(slots, |slot| slot.missing),
        lines: lines.collect(),
        hits: frame.columns(slots, |slot| !slot.tip.is_empty()),
    }
}

/// How slots and values become pixels.
#[derive(Clone, Copy, Debug)]
struct Frame {
    slot: f64,
    bottom: f64,
    scale: f64,
}

impl Frame {
    fn y(self, value: f64) -> f64 {
        round(self.bottom - value * self.scale)
    }

    /// The middle of a slot.
    fn x(self, slot: usize) -> f64 {
        round(LEFT + (float(slot as u64) + 0.5) * self.slot)
    }

    /// A dot for each value, a line between neighbours, and the band of two standard errors around it.
    fn line(self, series: &Series, slots: &[Slot]) -> Line {
        let mut line = Line {
            class: series.class.clone(),
            ..Line::default()
        };
        for run in runs(&series.values, slots) {
            let point = |offset: f64| {
                let points = run.iter().map(move |&(slot, value)| {
                    let value = (value.value + offset * value.error).max(0.0);
                    format!("{} {}", self.x(slot), self.y(value))
                });
                points.collect::<Vec<_>>()
            };
            line.path.push('M');
            line.path.push_str(&point(0.0).join("L"));
            if run.iter().any(|(_, value)| value.error > 0.0) {
                let mut around = point(2.0);
                around.extend(point(-2.0).into_iter().rev());
                line.band.push('M');
                line.band.push_str(&around.join("L"));
                line.band.push('Z');
            }
            line.dots.extend(run.iter().map(|&(slot, value)| Dot {
                x: self.x(slot),
                y: self.y(value.value),
                hollow: value.part,
            }));
        }
        line
    }

    fn bars(self, series: &Series, index: usize, count: usize) -> Line {
        let width = (self.slot * 0.7 / float(count as u64)).min(WIDEST_BAR);
        let first = -width * float(count as u64) / 2.0;
        let values = series.values.iter().enumerate();
        let bars = values.filter_map(|(slot, value)| {
            let value = (*value)?;
            let y = self.y(value.value);
            Some(Bar {
                x: round(self.x(slot) + first + width * float(index as u64) + 1.0),
                y,
                width: round((width - 2.0).max(1.0)),
                height: round(self.bottom - y),
                hollow: value.part,
            })
        });
        Line {
            class: series.class.clone(),
            bars: bars.collect(),
            ..Line::default()
        }
    }

    fn columns(self, slots: &[Slot], wanted: impl Fn(&Slot) -> bool) -> Vec<Rect> {
        let slots = slots.iter().enumerate();
        slots
            .filter(|(_, slot)| wanted(slot))
            .map(|(index, slot)| Rect {
                x: round(LEFT + float(index as u64) * self.slot),
                y: TOP,
                width: round(self.slot),
                height: round(self.bottom - TOP),
                tip: slot.tip.clone(),
            })
            .collect()
    }

    /// As many labels as there is room for, at equal distances.
    fn x_ticks(self, slots: &[Slot], room: usize) -> Vec<Tick> {
        let step = slots.len().div_ceil(room.max(1)).max(1);
        let step = [1, 2, 3, 4, 6, 7, 14, 28]
            .into_iter()
            .find(|&nice| nice >= step)
            .unwrap_or(step);
        let slots = slots.iter().enumerate().step_by(step);
        slots
            .map(|(index, slot)| Tick {
                at: self.x(index),
                label: slot.label.clone(),
            })
            .collect()
    }
}

/// Neighbours that belong together: a slot without a value parts them, and so does one that goes on.
fn runs(values: &[Option<Value>], slots: &[Slot]) -> Vec<Vec<(usize, Value)>> {
    let mut runs = vec![Vec::new()];
    for (index, value) in values.iter().enumerate() {
        if value.is_none() || slots.get(index).is_some_and(|slot| slot.unfinished) {
            runs.push(Vec::new());
        }
        if let (Some(value), Some(run)) = (value, runs.last_mut()) {
            run.push((index, *value));
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

/// From zero in steps of 1, 2 or 5 times a power of ten to the first that is not below `highest`.
pub(crate) fn nice_steps(highest: f64) -> Vec<f64> {
    // A count has no fractions.
    let rough = (highest / 4.0).max(1.0);
    let power = 10_f64.powf(rough.log10().floor());
    let nice = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    let step = nice
        .into_iter()
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(rough);
    let mut steps = vec![0.0];
    let mut next = step;
    while steps.last().is_some_and(|last| *last < highest * 0.999_999) || steps.len() < 2 {
        steps.push(next);
        next += step;
    }
    steps
}

/// Tenths of a pixel are enough, and keep the page small.
pub(crate) fn round(pixels: f64) -> f64 {
    (pixels * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(count: usize) -> Vec<Slot> {
        vec![
            Slot {
                label: "day".into(),
                tip: "tip".into(),
                ..Slot::default()
            };
            count
        ]
    }

    fn series(values: &[Option<f64>]) -> Series {
        let value = |value: &f64| Value {
            value: *value,
            error: 0.0,
            part: false,
        };
        Series {
            class: "c0".into(),
            values: values.iter().map(|each| each.as_ref().map(value)).collect(),
        }
    }

    #[test]
    fn steps_are_nice_and_reach_the_highest() {
        assert_eq!(nice_steps(0.0), [0.0, 1.0]);
        assert_eq!(nice_steps(3.0), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(nice_steps(1000.0), [0.0, 500.0, 1000.0]);
        assert_eq!(nice_steps(1001.0), [0.0, 500.0, 1000.0, 1500.0]);
        assert_eq!(nice_steps(7.9e6).last(), Some(&8e6));
    }

    #[test]
    fn a_missing_day_parts_the_line() {
        let drawn = plot(
            WIDE,
            &slots(5),
            &[series(&[
                Some(0.0),
                Some(1000.0),
                None,
                Some(500.0),
                Some(500.0),
            ])],
            false,
        );
        // 706 pixels for five days, 214 for a thousand.
        assert_eq!(
            drawn.lines[0].path,
            "M116.6 224L257.8 10M540.2 117L681.4 117"
        );
        assert_eq!(drawn.lines[0].dots.len(), 4);
        assert_eq!(drawn.lines[0].band, "");
        // Nothing leads to a day that goes on.
        let mut today = slots(3);
        today[2].unfinished = true;
        let values = [Some(0.0), Some(1000.0), Some(500.0)];
        let drawn = plot(WIDE, &today, &[series(&values)], false);
        assert_eq!(drawn.lines[0].path, "M163.7 224L399 10M634.3 117");
    }

    #[test]
    fn the_band_is_two_standard_errors_to_each_side() {
        let value = Some(Value {
            value: 600.0,
            error: 200.0,
            part: false,
        });
        let with_error = Series {
            class: "c0".into(),
            values: vec![value, value],
        };
        let drawn = plot(WIDE, &slots(2), &[with_error], false);
        assert_eq!(drawn.lines[0].path, "M222.5 95.6L575.5 95.6");
        assert_eq!(
            drawn.lines[0].band,
            "M222.5 10L575.5 10L575.5 181.2L222.5 181.2Z"
        );
    }

    #[test]
    fn few_values_are_bars_side_by_side() {
        let two = [series(&[Some(500.0)]), series(&[Some(1000.0)])];
        let drawn = plot(WIDE, &slots(1), &two, true);
        let bars: Vec<_> = drawn.lines.iter().map(|line| &line.bars[0]).collect();
        assert_eq!(
            (bars[0].x, bars[0].width, bars[0].height),
            (366.0, 32.0, 107.0)
        );
        assert_eq!(
            (bars[1].x, bars[1].width, bars[1].height),
            (400.0, 32.0, 214.0)
        );
        assert_eq!(drawn.lines[0].path, "");
        assert!(!plot(WIDE, &slots(21), &two, true).lines[0].path.is_empty());
    }

    #[test]
    fn labels_have_room() {
        let drawn = plot(NARROW, &slots(30), &[], false);
        assert_eq!(drawn.x_ticks.len(), 5);
        assert_eq!(drawn.hits.len(), 30);
        assert_eq!(plot(WIDE, &slots(0), &[], false).x_ticks, []);
    }
}
