//! Lines in a picture: figures of a benchmark, curves of trainings.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use kuva::plot::{LinePlot, ScatterPlot};
use kuva::render::layout::{Layout, TickFormat};
use kuva::render::plots::Plot;

/// One line of the picture.
pub struct Series {
    /// As in the legend.
    pub name: String,
    /// Across and up.
    pub points: Vec<(f64, f64)>,
}

/// What is written beside the lines.
pub struct Labels<'a> {
    /// Above them.
    pub title: &'a str,
    /// What goes across.
    pub across: &'a str,
    /// What goes up.
    pub up: &'a str,
    /// Whether both axes are logarithmic.
    pub logarithmic: bool,
}

/// Whether a picture can be written to a file: its name ends with `.png` or `.svg`.
///
/// # Errors
/// The file, and the endings that there are.
pub fn check_ending(file: &Path) -> Result<()> {
    kind(file).map(drop)
}

/// The kinds of file.
enum Kind {
    Png,
    Svg,
}

fn kind(file: &Path) -> Result<Kind> {
    match file.extension().map(OsStr::to_ascii_lowercase) {
        Some(ending) if ending == "png" => Ok(Kind::Png),
        Some(ending) if ending == "svg" => Ok(Kind::Svg),
        _ => Err(anyhow!("{}: a picture's name ends with .png or .svg", file.display())),
    }
}

/// Writes a PNG or SVG file of some lines, as its name ends.
///
/// # Errors
/// A series without a point, another ending, or a file that cannot be written.
pub fn plot(file: &Path, labels: &Labels<'_>, series: &[Series]) -> Result<()> {
    let colours = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#7f7f7f"];
    let line = |(one, colour): (&Series, &&str)| -> Plot {
        if let [point] = one.points[..] {
            let dot = ScatterPlot::new().with_data([point]).with_color(*colour).with_size(4.0);
            return if series.len() > 1 { dot.with_legend(one.name.as_str()).into() } else { dot.into() };
        }
        let line =
            LinePlot::new().with_data(one.points.iter().copied()).with_color(*colour).with_stroke_width(2.0);
        // The title names a line that is alone.
        if series.len() > 1 { line.with_legend(one.name.as_str()).into() } else { line.into() }
    };
    let plots: Vec<Plot> = series.iter().zip(colours.iter().cycle()).map(line).collect();
    anyhow::ensure!(series.iter().all(|series| !series.points.is_empty()), "there is nothing to draw");
    let Labels { title, across, up, logarithmic } = labels;
    let layout = Layout::auto_from_plots(&plots).with_title(*title).with_x_label(*across).with_y_label(*up);
    let short = TickFormat::Custom(Arc::new(short));
    let layout = if *logarithmic {
        layout.with_log_scale().with_x_tick_format(TickFormat::Integer).with_y_tick_format(short)
    } else {
        layout.with_x_tick_format(short)
    };
    let picture = match kind(file)? {
        Kind::Png => {
            kuva::render_to_raster(plots, layout, 1.5).map_err(|e| anyhow!("cannot draw {title}: {e}"))?
        }
        Kind::Svg => kuva::render_to_svg(plots, layout).into_bytes(),
    };
    std::fs::write(file, picture).with_context(|| format!("cannot write {}", file.display()))
}

/// A number in few letters: 250 k, 3 M.
fn short(number: f64) -> String {
    match number {
        n if n >= 1e6 => format!("{} M", n / 1e6),
        n if n >= 1e3 => format!("{} k", n / 1e3),
        n => n.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!([200.0, 250_000.0, 3e6].map(short), ["200", "250 k", "3 M"]);
    }

    #[test]
    fn a_picture_is_a_png_file_and_nothing_cannot_be_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("growth.png");
        let series = |points: &[(f64, f64)]| Series { name: "a".to_owned(), points: points.to_vec() };
        let labels = Labels { title: "growth", across: "rows", up: "steps/s", logarithmic: true };
        for labels in [&labels, &Labels { logarithmic: false, ..labels }] {
            plot(&file, labels, &[series(&[(8.0, 1e5), (64.0, 4e5)])]).unwrap();
            assert!(std::fs::read(&file).unwrap().starts_with(b"\x89PNG"));
            std::fs::remove_file(&file).unwrap();
        }
        let svg = folder.path().join("growth.SVG");
        plot(&svg, &labels, &[series(&[(8.0, 1e5), (64.0, 4e5)])]).unwrap();
        let text = std::fs::read_to_string(&svg).unwrap();
        assert!(
            text.starts_with("<svg") && text.ends_with("</svg>") && text.contains(">growth</text>"),
            "{text}"
        );
        for wrong in ["growth.jpg", "growth"] {
            let error = plot(Path::new(wrong), &labels, &[series(&[(1.0, 1.0)])]).unwrap_err();
            assert_eq!(error.to_string(), format!("{wrong}: a picture's name ends with .png or .svg"));
        }
        assert!(plot(&file, &labels, &[series(&[])]).is_err());
        let missing = folder.path().join("no/growth.png");
        let error = plot(&missing, &labels, &[series(&[(1.0, 1.0)])]).unwrap_err();
        assert!(error.to_string().contains("cannot write"), "{error}");
    }
}
