//! The laws of resolution.

use super::resolve::share;
use super::*;
use proptest::prelude::*;

fn made(name: &str, flags: &Overrides) -> Result<Scenario> {
    Scenario::resolve(&Snapshot::builtin().unwrap(), name, flags)
}

#[test]
fn builtin_scenarios_are_unchanged() {
    for name in Snapshot::builtin().unwrap().names() {
        let s = made(name, &Overrides::default()).unwrap();
        insta::assert_json_snapshot!(name.to_owned(), s);
        assert!(s.warnings().is_empty());
    }
}

#[test]
fn reference_snapshot_resolves_to_the_builtin_configuration() {
    let path = ptyproof_testkit::repository()
        .join("../shared/reference/hubs/2026-01-16T000353Z/sim_lines_4x_params_snapshot.json");
    if !path.exists() {
        let why = format!("no {}", path.display());
        ptyproof_testkit::skips::skip(ptyproof_testkit::skips::SkipReason::Vectors, why);
        return;
    }
    let reference = Snapshot::read(&path).unwrap();
    for name in Snapshot::builtin().unwrap().names() {
        let a = made(name, &Overrides::default()).unwrap();
        let b = Scenario::resolve(&reference, name, &Overrides::default()).unwrap();
        let mut of_b = b.settings().clone();
        of_b.custom_probe_path = None;
        assert_eq!(*a.settings(), of_b);
    }
}

#[test]
fn the_limits_report_ignores_the_profile() {
    let snapshot = Snapshot::builtin().unwrap();
    let s =
        Scenario::resolve_without_profile(&snapshot, "gs2_ideal", &Overrides::default()).unwrap();
    assert_eq!(
        (s.total_images, s.train_count, s.group_count),
        (8000, 4000, 1000)
    );
    assert!(!s.profile().active);
    insta::assert_json_snapshot!(s.report_parameters());
}

#[test]
fn flag_overrides_a_preference_and_is_recorded() {
    let flags = Overrides {
        group_count: Some(100),
        neighbor_count: Some(7),
        ..Overrides::default()
    };
    let s = made("gs2_ideal", &flags).unwrap();
    assert_eq!((s.group_count, s.neighbor_count), (100, 7));
    insta::assert_json_snapshot!(s.profile());
    insta::assert_snapshot!(s.warnings().join("\n"), @r"
    stable_profile_gs2_ideal prefers group_count = 128; 100 was asked for.
    stable_profile_gs2_ideal prefers neighbor_count = 4; 7 was asked for.
    ");
}

#[test]
fn clamped_or_ineffective_flags_are_reported() {
    let flags = Overrides {
        neighbor_count: Some(7),
        buffer: Some(300.0),
        ..Overrides::default()
    };
    let s = made("gs1_ideal", &flags).unwrap();
    assert_eq!(s.buffer, 195.0);
    insta::assert_snapshot!(s.warnings().join("\n"), @r"
    neighbor_count = 7: has no effect: a group of one pattern has no neighbors
    buffer = 195.0: half the object of 392 pixels, less one, is the most
    ");
    insta::assert_json_snapshot!(s.overrides());
}

#[test]
fn inference_uses_the_smaller_of_group_count_and_group_limit() {
    // counted by hand from sections l and o of the reference description: 256 and 128 groups of the profiles, a limit of 64
    for (name, count, limit, used) in [
        ("gs1_ideal", None, None, 64),
        ("gs2_ideal", None, None, 64),
        ("gs1_custom", None, None, 64),
        ("gs1_ideal", Some(8), None, 8),
        ("gs1_ideal", Some(8), Some(4), 4),
        ("gs1_ideal", Some(8), Some(64), 8),
        ("gs1_ideal", None, Some(0), 256),
        ("gs2_ideal", None, Some(0), 128),
        ("gs2_ideal", Some(8), Some(0), 8),
        ("gs1_ideal", None, Some(300), 256),
    ] {
        let flags = Overrides {
            group_count: count,
            group_limit: limit,
            ..Overrides::default()
        };
        let s = made(name, &flags).unwrap();
        assert_eq!(
            s.inference_groups().used,
            used,
            "{name} {count:?} {limit:?}"
        );
    }
}

#[test]
fn ineffective_group_limit_is_reported() {
    let said = |group_limit| {
        let flags = Overrides {
            group_limit: Some(group_limit),
            ..Overrides::default()
        };
        made("gs2_ideal", &flags).unwrap().warnings().join("\n")
    };
    assert_eq!(said(128), "");
    insta::assert_snapshot!(said(0), @"group_limit = 0: no limit: all 128 groups of group_count are used");
    insta::assert_snapshot!(said(129), @"group_limit = 129: group_count is no more than 128: all of them are used");
}

#[test]
fn invalid_counts_are_refused_with_both_numbers() {
    let o = Overrides::default;
    let bad = f64::NAN;
    let cases = [
        (
            "gs1_ideal",
            Overrides {
                group_count: Some(257),
                ..o()
            },
        ),
        (
            "gs1_ideal",
            Overrides {
                group_multiplier: Some(2),
                ..o()
            },
        ),
        (
            "gs1_ideal",
            Overrides {
                group_multiplier: Some(usize::MAX),
                ..o()
            },
        ),
        (
            "gs1_custom",
            Overrides {
                base_total_images: Some(100),
                ..o()
            },
        ),
        (
            "gs1_ideal",
            Overrides {
                group_count: Some(0),
                ..o()
            },
        ),
        (
            "gs1_ideal",
            Overrides {
                batch_size: Some(0),
                ..o()
            },
        ),
        (
            "gs1_ideal",
            Overrides {
                image_multiplier: Some(usize::MAX),
                ..o()
            },
        ),
        (
            "gs1_ideal",
            Overrides {
                split_fraction: Some(1.0),
                ..o()
            },
        ),
        (
            "gs1_ideal",
            Overrides {
                split_fraction: Some(0.0001),
                ..o()
            },
        ),
        (
            "gs1_ideal",
            Overrides {
                reassemble_m: Some(65),
                ..o()
            },
        ),
        (
            "gs1_ideal",
            Overrides {
                split: Some(Splitting::None),
                group_count: Some(513),
                ..o()
            },
        ),
        (
            "gs2_ideal",
            Overrides {
                split: Some(Splitting::None),
                neighbor_count: Some(1024),
                ..o()
            },
        ),
        (
            "gs1_ideal",
            Overrides {
                nphotons: Some(bad),
                ..o()
            },
        ),
        (
            "gs1_ideal",
            Overrides {
                nphotons: Some(0.0),
                ..o()
            },
        ),
        (
            "gs1_ideal",
            Overrides {
                probe_scale: Some(-4.0),
                ..o()
            },
        ),
        (
            "gs1_ideal",
            Overrides {
                amp_vmax: Some(f64::INFINITY),
                ..o()
            },
        ),
        (
            "gs1_ideal",
            Overrides {
                buffer: Some(-1.0),
                ..o()
            },
        ),
        (
            "gs1_ideal",
            Overrides {
                gridsize: Some(4),
                ..o()
            },
        ),
        (
            "gs1_ideal",
            Overrides {
                gridsize: Some(3),
                ..o()
            },
        ),
        (
            "gs2_ideal",
            Overrides {
                neighbor_count: Some(2),
                ..o()
            },
        ),
        (
            "gs2_ideal",
            Overrides {
                neighbor_count: Some(512),
                ..o()
            },
        ),
        (
            "gs2_ideal",
            Overrides {
                base_total_images: Some(1),
                group_count: Some(1),
                ..o()
            },
        ),
    ];
    let mut said = String::new();
    for (name, flags) in cases {
        let e = made(name, &flags).unwrap_err();
        said += &format!("{e}\n");
        if let Some(help) = e.advice() {
            said += &format!("  help: {help}\n");
        }
    }
    insta::assert_snapshot!(said);
}

#[test]
fn names_round_trip() {
    for k in ObjectKind::ALL {
        assert_eq!(k.name().parse::<ObjectKind>().unwrap(), *k);
        assert_eq!(serde_json::to_value(k).unwrap(), k.name());
    }
    insta::assert_snapshot!("line".parse::<ObjectKind>().unwrap_err(), @r#"choosing the object: got "line", need one of lines, grf, points, diagonals"#);
    insta::assert_snapshot!("".parse::<ProbeMode>().unwrap_err(), @r#"choosing the probe: got "", need one of idealized, custom"#);
}

#[test]
fn halves_are_rounded_to_even() {
    // law: Python's round
    for (total, fraction, test) in [
        (5, 0.5, 2),
        (7, 0.5, 4),
        (9, 0.5, 4),
        (10, 0.25, 2),
        (512, 0.5, 256),
    ] {
        assert_eq!(share(total, fraction), test);
    }
}

fn any_flags() -> impl Strategy<Value = Overrides> {
    let opt = |max| proptest::option::of(0usize..max);
    (
        (opt(20), opt(600), opt(4), opt(4), opt(600), opt(4)),
        (opt(12), opt(600), opt(40)),
        (
            proptest::option::of(-1.0f64..400.0),
            proptest::option::of(-0.2f64..1.2),
            proptest::option::of(any::<f64>()),
            proptest::option::of(any::<bool>()),
        ),
        (
            proptest::option::of(any::<u32>()),
            proptest::option::of(0usize..4),
            proptest::option::of(0usize..2),
            proptest::option::of(0usize..70),
        ),
    )
        .prop_map(|(a, b, c, d)| Overrides {
            nepochs: a.0,
            group_limit: a.1,
            image_multiplier: a.2,
            group_multiplier: a.3,
            group_count: a.4,
            gridsize: a.5,
            neighbor_count: b.0,
            base_total_images: b.1,
            batch_size: b.2,
            buffer: c.0,
            split_fraction: c.1,
            nphotons: c.2,
            probe_big: c.3,
            object_seed: d.0,
            object: d.1.map(|i| ObjectKind::ALL[i]),
            split: d.2.map(|i| Splitting::ALL[i]),
            reassemble_m: d.3,
            ..Overrides::default()
        })
}

proptest! {
    #[test]
    fn scenario_resolution_never_panics(name in "gs[12]_(ideal|custom)", flags in any_flags()) {
        // law: resolve = Ok(s)  =>  every bound of Settings holds and no flag is lost
        if let Ok(s) = made(&name, &flags) {
            let c = s.gridsize.channels();
            prop_assert_eq!(s.total_images, s.base_total_images * c * s.image_multiplier);
            let counted = match s.split {
                Splitting::Halves => s.total_images,
                Splitting::None => 2 * s.total_images,
            };
            prop_assert_eq!(s.train_count + s.test_count, counted);
            prop_assert!(s.group_count >= 1 && s.group_count <= s.train_count.min(s.test_count));
            prop_assert!(s.batch_size >= 1);
            prop_assert!((1..=s.n.get()).contains(&s.reassemble_m));
            prop_assert!(s.split_fraction > 0.0 && s.split_fraction < 1.0);
            prop_assert!(s.buffer >= 0.0 && s.buffer <= 195.0);
            prop_assert!(s.nphotons.is_finite() && s.nphotons > 0.0);
            prop_assert!(c == 1 || (s.neighbor_count >= c - 1 && s.neighbor_count < s.train_count.min(s.test_count)));
            let limit = if s.group_limit == 0 { usize::MAX } else { s.group_limit };
            prop_assert_eq!(s.train_groups().used, s.group_count);
            prop_assert_eq!(s.test_groups().used, s.group_count);
            prop_assert_eq!(s.inference_groups().used, s.group_count.min(limit));
            // a limit that was given and is not the number used is said to be none
            let said = s.warnings().iter().filter(|w| w.starts_with("group_limit = ")).count();
            let differs = flags.group_limit.is_some_and(|g| g != s.inference_groups().used);
            prop_assert_eq!(said, usize::from(differs));
            let given = s.flags();
            for (field, was_given) in [
                ("nepochs", flags.nepochs.is_some()),
                ("group_limit", flags.group_limit.is_some()),
                ("image_multiplier", flags.image_multiplier.is_some()),
                ("group_multiplier", flags.group_multiplier.is_some()),
                ("group_count", flags.group_count.is_some()),
                ("gridsize", flags.gridsize.is_some()),
                ("neighbor_count", flags.neighbor_count.is_some()),
                ("base_total_images", flags.base_total_images.is_some()),
                ("batch_size", flags.batch_size.is_some()),
                ("buffer", flags.buffer.is_some()),
                ("split", flags.split.is_some()),
                ("reassemble_M", flags.reassemble_m.is_some()),
                ("split_fraction", flags.split_fraction.is_some()),
                ("nphotons", flags.nphotons.is_some()),
                ("probe_big", flags.probe_big.is_some()),
                ("object_seed", flags.object_seed.is_some()),
                ("object", flags.object.is_some()),
            ] {
                prop_assert_eq!(given.contains_key(field), was_given, "{}", field);
            }
            let p = s.profile();
            prop_assert_eq!(p.defaults.len(), p.applied.len() + p.skipped.len());
        }
    }

    #[test]
    fn hash_depends_only_on_the_configuration(name in "gs[12]_(ideal|custom)", flags in any_flags()) {
        // law: same settings <=> same hash; stating a default by flag changes the record, not the hash
        if let (Ok(s), Ok(plain)) = (made(&name, &flags), made(&name, &Overrides::default())) {
            let (a, b) = (s.config_hash()?, plain.config_hash()?);
            prop_assert_eq!(a.len(), 64);
            prop_assert_eq!(a == b, s.settings() == plain.settings());
        }
    }
}
