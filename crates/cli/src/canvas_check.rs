//! `ptyproof canvas-check`: does the canvas of reassembly hold every scan position?

use super::args::CanvasCheckArgs;
use super::clock::now;
use super::exit::Exit;
use super::output_paths::refuse_overwrite;
use super::standard_streams::{Input, write_report};
use ptyproof::error::Result;
use ptyproof::geometry::Position;
use ptyproof::io::formats;
use ptyproof::json;
use ptyproof::rng::NumpyLegacy;
use ptyproof_harness::audit::canvas_check::{CanvasRule, Metadata, Subset, SubsetReport, limits};
use ptyproof_harness::pipeline::prepare;
use ptyproof_harness::pipeline::request::{measured, snapshot};
use ptyproof_harness::report::junit::{Case, junit};
use ptyproof_harness::scenario::Scenario;
use ptyproof_pinn::data::group::Grouping;
use ptyproof_pinn::data::group_count::GroupCount;

/// What the reference's report seeds NumPy's stream with before it groups each subset.
const REPORT_SEED: u32 = 42;

pub(super) fn run(args: &CanvasCheckArgs) -> Result<Exit> {
    let written = [&args.output_json, &args.output_markdown, &args.junit];
    let read = args.data.iter().chain(&args.snapshot);
    refuse_overwrite("writing the limits report", read, written)?;
    args.reading.needs_file(args.data.is_some())?;
    let snapshot = snapshot(args.snapshot.as_deref())?;
    let flags = args.overrides.0.clone();
    let (scenario, positions) = match &args.data {
        Some(path) => {
            let input = Input::of("reading positions", path)?;
            let file = formats::open(input.path(), &args.reading.options())?.into_dataset()?;
            let facts = measured(&file, Some(path));
            let name = args.scenario.as_deref();
            let s = Scenario::resolve_measured(&snapshot, name, &flags, &facts)?;
            for note in &file.notes {
                noteln!("{}: {note}", path.display());
            }
            (s, file.dataset.positions)
        }
        None => {
            let name = args.scenario.as_deref().unwrap_or_default();
            let s = Scenario::resolve_without_profile(&snapshot, name, &flags)?;
            let side = s.object_size.get();
            let positions = prepare::positions(&s, (side, side))?;
            (s, positions)
        }
    };
    for line in scenario.warnings() {
        noteln!("{line}");
    }
    let split = scenario.divide(&positions)?;
    let group = |indices: &[usize], count: GroupCount| -> Result<(usize, Grouping)> {
        let half: Vec<Position> = indices.iter().map(|&i| positions[i]).collect();
        let mut rng = NumpyLegacy::new(REPORT_SEED);
        let s = &scenario;
        let g = Grouping::draw(&half, s.gridsize, count.used, s.neighbor_count, &mut rng)?;
        Ok((half.len(), g))
    };
    let (train_count, test_count) = (scenario.train_groups(), scenario.test_groups());
    let (train_points, train) = group(&split.train, train_count)?;
    let (test_points, test) = group(&split.test, test_count)?;
    let metadata = Metadata {
        label: scenario.name.clone(),
        scenario: scenario.name.clone(),
        snapshot: scenario.snapshot().to_owned(),
        timestamp: now(),
        parameters: scenario.report_parameters(),
        overrides: scenario.flags(),
    };
    let rule = if args.legacy_canvas {
        CanvasRule::Legacy
    } else {
        CanvasRule::Grown
    };
    let report = limits(
        metadata,
        scenario.layout(),
        rule,
        scenario.group_limit,
        Subset {
            point_count: train_points,
            requested_groups: train_count.requested,
            grouping: &train,
        },
        Subset {
            point_count: test_points,
            requested_groups: test_count.requested,
            grouping: &test,
        },
    )?;
    if let Some(path) = &args.output_json {
        write_report(path, json::to_text(&report)?.as_bytes())?;
    }
    let page = report.to_markdown();
    if let Some(path) = &args.output_markdown {
        write_report(path, page.as_bytes())?;
    }
    outln!("{page}");
    let lost: usize = report.additions.dropped_pixels.values().sum();
    if lost > 0 || !report.additions.worst_position.fits {
        let w = &report.additions.worst_position;
        warnln!(
            "members of groups lie beyond the canvas, which the rule sizes by their centers: {lost} patch pixels are lost, and \
             the farthest needs {} px; fewer neighbors (--neighbor-count) lie nearer",
            w.required
        );
    }
    if let Some(path) = &args.junit {
        let case = |(name, s): (&String, &SubsetReport)| {
            let says = format!(
                "{} groups of {} positions need {} px, the canvas has {}",
                s.actual_groups, s.point_count, s.canvas.required_canvas, s.canvas.padded_size
            );
            Case::new(name, s.judgment(), says)
        };
        let cases = report.subsets.iter().map(case).collect();
        write_report(path, junit("ptyproof limits", cases)?.as_bytes())?;
    }
    Ok(report.judgment().into())
}
