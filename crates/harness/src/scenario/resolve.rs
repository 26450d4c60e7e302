//! Resolution settles each value once, checks it, and counts what follows from it.

use super::measured::Measured;
use super::overrides::{Ledger, Override, Overrides, Source};
use super::profile::{self, Profile, ProfileRecord};
use super::settings::{BATCH_SIZE, GROUP_LIMIT, NEPOCHS, Settings};
use super::snapshot::{Entry, Snapshot};
use ptyproof::error::{Error, Result};
use ptyproof::geometry::{CanvasSize, GridSize, PatchSize};
use ptyproof::hub::splitting::Splitting;
use ptyproof::setting;
use ptyproof_pinn::data::group_count::{GroupCount, NO_LIMIT};

/// Settings, and where they came from.
pub(super) struct Resolved {
    pub(super) settings: Settings,
    pub(super) overrides: Vec<Override>,
    pub(super) profile: ProfileRecord,
}

/// What is put in place of a scenario's values, and which of it a command chose.
pub(super) struct Asked {
    all: Overrides,
    chosen: Vec<&'static str>,
}

impl Asked {
    pub(super) fn new(typed: &Overrides, chosen: &Overrides) -> Self {
        let mut names = chosen.given();
        let by_hand = typed.given();
        names.retain(|name| !by_hand.contains(name));
        Self {
            all: typed.or(chosen),
            chosen: names,
        }
    }

    pub(super) fn typed(typed: &Overrides) -> Self {
        Self::new(typed, &Overrides::default())
    }
}

/// A scenario from its entry, what is put in place of its values, and its profile where it has one.
pub(super) fn resolve(
    snapshot: &Snapshot,
    entry: &Entry,
    Asked { all: flags, chosen }: &Asked,
    own: Option<&Profile>,
    measured: Option<&Measured>,
) -> Result<Resolved> {
    let mut record = own.map(profile::record_of).unwrap_or_default();
    let shared = &snapshot.run_params;
    let mut ledger = Ledger::default();
    let l = &mut ledger;
    let mut preferred = |field: &'static str, preference: Option<usize>, flag, fallback| {
        let typed = !chosen.contains(&field);
        let value = profile::settle(&mut record, field, preference, flag, fallback, typed);
        l.settle(field, flag, preference.unwrap_or(fallback));
        value
    };
    let base_total_images = preferred(
        "base_total_images",
        own.map(|p| p.base_total_images),
        flags.base_total_images,
        shared.base_total_images,
    );
    let base_groups = preferred(
        "group_count",
        own.map(|p| p.group_count),
        flags.group_count,
        entry.group_count.unwrap_or(shared.group_count),
    );
    let batch_size = preferred(
        "batch_size",
        own.map(|p| p.batch_size),
        flags.batch_size,
        BATCH_SIZE,
    );
    let neighbor_count = preferred(
        "neighbor_count",
        own.and_then(|p| p.neighbor_count),
        flags.neighbor_count,
        entry.neighbor_count.unwrap_or(shared.neighbor_count),
    );
    let (inputs, defaults) = (&entry.inputs, entry.defaults);
    let gridsize = l.settle("gridsize", flags.gridsize, inputs.gridsize);
    let image_multiplier = l.settle("image_multiplier", flags.image_multiplier, 1);
    let group_multiplier = l.settle("group_multiplier", flags.group_multiplier, 1);
    let split_fraction = l.settle(
        "split_fraction",
        flags.split_fraction,
        shared.split_fraction,
    );
    let buffer = l.settle("buffer", flags.buffer, shared.buffer);
    let probe_big = l.settle_input(
        "probe_big",
        flags.probe_big,
        inputs.probe_big,
        defaults.probe_big,
    );
    let probe_mask = l.settle_input(
        "probe_mask",
        flags.probe_mask,
        inputs.probe_mask,
        defaults.probe_mask,
    );
    if let Some(v) = flags.amp_vmax {
        l.record("amp_vmax", None, v.into(), Source::Cli);
    }
    let mut settings = Settings {
        amp_vmax: flags.amp_vmax,
        base_total_images,
        batch_size,
        buffer,
        custom_probe_path: snapshot.custom_probe_path.clone(),
        gridsize: GridSize::new(gridsize)?,
        group_count: 0,
        group_limit: l.settle("group_limit", flags.group_limit, GROUP_LIMIT),
        group_multiplier,
        image_multiplier,
        n: PatchSize::new(shared.n)?,
        name: entry.name.clone(),
        neighbor_count,
        nepochs: l.settle("nepochs", flags.nepochs, NEPOCHS),
        nphotons: l.settle("nphotons", flags.nphotons, shared.nphotons),
        object: l.settle("object", flags.object, shared.object),
        object_seed: l.settle("object_seed", flags.object_seed, shared.object_seed),
        object_size: CanvasSize::new(shared.object_size)?,
        probe_big,
        probe_mask,
        probe_mode: l.settle("probe_mode", flags.probe_mode, inputs.probe_mode),
        probe_scale: l.settle("probe_scale", flags.probe_scale, inputs.probe_scale),
        reassemble_m: l.settle(
            "reassemble_M",
            flags.reassemble_m,
            entry.reassemble_m.unwrap_or(shared.reassemble_m),
        ),
        sim_seed: l.settle("sim_seed", flags.sim_seed, shared.sim_seed),
        split: l.settle("split", flags.split, Splitting::default()),
        split_fraction,
        test_count: 0,
        total_images: 0,
        train_count: 0,
    };
    if let Some(m) = measured {
        m.take_over(&mut settings, l, flags);
    }
    check(&settings)?;
    clamp(&mut settings, l)?;
    count(&mut settings, l, base_groups, measured)?;
    for o in &mut ledger.0 {
        if o.source == Source::Cli && chosen.contains(&o.field) {
            o.source = Source::Command;
        }
    }
    record.effective_batch_size = Some(settings.batch_size as u64);
    record.effective_group_count = Some(settings.group_count as u64);
    Ok(Resolved {
        settings,
        overrides: ledger.0,
        profile: record,
    })
}

fn action(s: &Settings) -> String {
    format!("resolving scenario {}", s.name)
}

fn refuse(s: &Settings, field: &str) -> Error {
    Error::usage(action(s)).field(field)
}

/// The bounds of single values.
#[expect(clippy::cast_precision_loss, reason = "only small counts are bounded")]
fn check(s: &Settings) -> Result<()> {
    for (name, value) in [
        ("base_total_images", s.base_total_images as f64),
        ("batch_size", s.batch_size as f64),
        ("group_multiplier", s.group_multiplier as f64),
        ("image_multiplier", s.image_multiplier as f64),
        ("amp_vmax", s.amp_vmax.unwrap_or(1.0)),
        ("nphotons", s.nphotons),
        ("probe_scale", s.probe_scale),
        ("split_fraction", s.split_fraction),
        ("buffer", s.buffer),
    ] {
        setting::find(Overrides::TABLE, name)?.check(&action(s), value)?;
    }
    if !(1..=s.n.get()).contains(&s.reassemble_m) {
        return Err(refuse(s, "reassemble_M")
            .got(s.reassemble_m)
            .need(format!("1 to N = {}", s.n.get())));
    }
    if s.object_size.get() < 2 {
        return Err(refuse(s, "object_size")
            .got(s.object_size.get())
            .need("at least 2 pixels"));
    }
    Ok(())
}

/// The margin leaves room for positions: `buffer <= object_size / 2 - 1`.
#[expect(clippy::cast_precision_loss, reason = "object sides are below 2^17")]
fn clamp(s: &mut Settings, l: &mut Ledger) -> Result<()> {
    let most = s.object_size.get() as f64 / 2.0 - 1.0;
    if s.buffer > most {
        l.record("buffer", Some(s.buffer.into()), most.into(), Source::Clamp);
        l.note(
            "buffer",
            &format!(
                "half the object of {} pixels, less one, is the most",
                s.object_size.get()
            ),
        );
        s.buffer = most;
    }
    if s.buffer < 0.0 {
        return Err(Error::bug("clamping the buffer").got(s.buffer));
    }
    Ok(())
}

/// How many patterns, positions and groups there are.
fn count(
    s: &mut Settings,
    l: &mut Ledger,
    base_groups: usize,
    measured: Option<&Measured>,
) -> Result<()> {
    let c = s.gridsize.channels();
    let simulated = s
        .base_total_images
        .checked_mul(c)
        .and_then(|v| v.checked_mul(s.image_multiplier))
        .filter(|v| u32::try_from(*v).is_ok());
    let total = measured
        .map_or(simulated, |m| Some(m.total))
        .ok_or_else(|| {
            Error::usage(action(s))
                .at("total images = base_total_images * gridsize^2 * image_multiplier")
                .got(format!(
                    "{} * {c} * {}",
                    s.base_total_images, s.image_multiplier
                ))
                .need(format!("at most {}", u32::MAX))
        })?;
    s.total_images = total;
    match s.split {
        Splitting::Halves => {
            s.test_count = share(total, s.split_fraction);
            s.train_count = total - s.test_count;
        }
        Splitting::None => {
            (s.train_count, s.test_count) = (total, total);
            if l.is_asked("split_fraction") {
                l.note(
                    "split_fraction",
                    "has no effect: with `split` none all positions train and are inferred",
                );
            }
        }
    }
    let least = s.train_count.min(s.test_count);
    if least == 0 {
        return Err(refuse(s, "split_fraction")
            .got(format!(
                "{} of {total} images: {} to train and {} to test",
                s.split_fraction, s.train_count, s.test_count
            ))
            .need("at least one of each")
            .help("`split` none draws both from all positions"));
    }
    let mut groups = base_groups.checked_mul(s.group_multiplier);
    let asked = l.is_asked("group_count") || s.group_multiplier > 1;
    let clamped = GroupCount::clamped(base_groups, NO_LIMIT, least);
    if measured.is_some() && !asked && clamped.used < clamped.requested {
        let used = clamped.used;
        l.record(
            "group_count",
            Some(base_groups.into()),
            used.into(),
            Source::Data,
        );
        groups = Some(used);
    }
    s.group_count = match groups {
        Some(g) if (1..=least).contains(&g) => g,
        _ => {
            let most = least / s.group_multiplier;
            let halves = match s.split {
                Splitting::Halves => format!(
                    "{least}, the smaller of {} train and {} test positions",
                    s.train_count, s.test_count
                ),
                Splitting::None => format!("{least}, the number of positions"),
            };
            let e = refuse(s, "group_count")
                .got(match (groups, s.group_multiplier) {
                    (Some(g), 1) => format!("{g} groups"),
                    (Some(g), m) => {
                        format!("{g} groups ({base_groups} times `group_multiplier` {m})")
                    }
                    (None, m) => format!("{base_groups} groups times `group_multiplier` {m}"),
                })
                .need(format!("1 to {halves}"));
            return Err(if most > 0 {
                e.help(format!("The largest `group_count` here is {most}."))
            } else {
                e.help(format!("The largest `group_multiplier` here is {least}."))
            });
        }
    };
    note_group_limit(s, l);
    if c == 1 {
        let note = "has no effect: a group of one pattern has no neighbors";
        if l.is_asked("neighbor_count") {
            l.note("neighbor_count", note);
        }
    } else if s.neighbor_count < c - 1 || s.neighbor_count >= least {
        let who = match s.split {
            Splitting::Halves => "the smaller half has",
            Splitting::None => "the scan has",
        };
        return Err(refuse(s, "neighbor_count")
            .got(s.neighbor_count)
            .need(if least < c {
                format!("at least {}, and {who} only {least} positions", c - 1)
            } else {
                format!(
                    "{} to {}: a group of {c} needs {} neighbors, and {who} {least} positions",
                    c - 1,
                    least - 1,
                    c - 1
                )
            })
            .help(if least < c {
                "Take more positions: `base_total_images` of a simulation, another file with `data`.".to_owned()
            } else {
                format!(
                    "Set `neighbor_count` to {}.",
                    s.neighbor_count.clamp(c - 1, least - 1)
                )
            }));
    }
    Ok(())
}

/// Says so where a `group_limit` that was given does not limit.
fn note_group_limit(s: &Settings, l: &mut Ledger) {
    let count = s.inference_groups();
    let used = count.used;
    if count.limit == NO_LIMIT {
        let note = format!("no limit: all {used} groups of group_count are used");
        l.note("group_limit", &note);
    } else if used < count.limit {
        let note = format!("group_count is no more than {used}: all of them are used");
        l.note("group_limit", &note);
    }
}

/// `total * fraction`, rounded half to even as Python does. `total < 2^32`, `0 < fraction < 1`.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a whole number from 0 to total, which is below 2^32"
)]
pub(super) fn share(total: usize, fraction: f64) -> usize {
    (total as f64 * fraction).round_ties_even() as usize
}
