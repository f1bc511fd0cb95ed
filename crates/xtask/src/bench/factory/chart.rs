use plotters::prelude::*;

use super::growth::Point;
use crate::error::Error;

const SIZE: (u32, u32) = (820, 480);
const PLAN: RGBColor = RGBColor(0, 90, 181);
const GIT: RGBColor = RGBColor(190, 80, 0);
const LINEAR: RGBColor = RGBColor(130, 130, 130);
const GRID: RGBColor = RGBColor(225, 225, 225);

/// The growth as a picture (SVG), both axes logarithmic: what is proportional is a straight line
/// of 45°, and is drawn beside.
///
/// # Errors
/// When there is nothing to draw.
pub(super) fn svg(points: &[Point]) -> Result<String, Error> {
    let mut text = String::new();
    draw(points, &mut text).map_err(|error| Error::format("the growth of plan", error))?;
    Ok(text)
}

fn draw(points: &[Point], text: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let series = |value: fn(&Point) -> f64| -> Vec<(f64, f64)> {
        let pairs = points.iter().map(|it| (it.processors as f64, value(it)));
        pairs.collect()
    };
    let (plan, git) = (series(|it| it.plan_ms), series(|it| it.git_ms));
    let (Some(first), Some(last)) = (plan.first(), plan.last()) else {
        return Err("there are no points".into());
    };
    let linear = [(first.0, last.1 * first.0 / last.0), *last];
    let times = || plan.iter().chain(&git).map(|point| point.1);
    let low = times().fold(f64::INFINITY, f64::min) / 1.5;
    let high = times().fold(0.0, f64::max) * 1.5;

    let area = SVGBackend::with_string(text, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(
            (first.0 * 0.8..last.0 * 1.25).log_scale(),
            (low..high).log_scale(),
        )?;
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .x_desc("processors")
        .y_desc("time, ms")
        .label_style(("sans-serif", 14))
        .axis_desc_style(("sans-serif", 15))
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y}"))
        .draw()?;
    for (name, values, color) in [
        ("pipeline plan --offline", &plan, PLAN),
        ("git ls-files -s", &git, GIT),
    ] {
        chart
            .draw_series(LineSeries::new(values.clone(), color.stroke_width(2)).point_size(3))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 24, y)], color.stroke_width(2)));
    }
    chart
        .draw_series(LineSeries::new(linear, LINEAR.stroke_width(1)))?
        .label("proportional to the processors")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 24, y)], LINEAR));
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font(("sans-serif", 14))
        .background_style(WHITE)
        .border_style(GRID)
        .draw()?;
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_every_point_the_same_each_time() {
        let point = |processors: usize, plan_ms| Point {
            processors,
            files: processors * 6,
            plan_ms,
            git_ms: plan_ms / 4.0,
            megabytes: 20.0,
        };
        let points = [point(10, 10.0), point(100, 30.0), point(1000, 200.0)];
        let text = svg(&points).unwrap();
        assert!(text.starts_with("<svg "), "{text}");
        assert_eq!(text.matches("<circle").count(), 6, "{text}");
        for label in ["pipeline plan --offline", "git ls-files -s", "processors"] {
            assert!(text.contains(label), "{label}");
        }
        assert_eq!(svg(&points).unwrap(), text);
        assert!(svg(&[]).is_err());
    }
}
