//! Scans with correct metadata and a corrupted frame, pixel, probe or object.

use super::*;

/// One pattern or one pixel of many is no evidence against all the others.
#[test]
fn single_bad_frame_or_pixel_gives_no_fault() {
    let frame = |factor: f32| {
        move |s: &mut Scan| {
            let mut frame = s.patterns.index_axis_mut(ndarray::Axis(0), 28);
            frame.mapv_inplace(|v| factor * v);
        }
    };
    let pixel = |s: &mut Scan| s.patterns[[7, 3, 3]] = 65_535.0;
    type Spoiled<'a> = (&'a str, &'a dyn Fn(&mut Scan));
    let cases: [Spoiled<'_>; 4] = [
        ("hot pixel", &pixel),
        ("dark frame", &frame(0.0)),
        ("bright frame", &frame(30.0)),
        ("faint frame", &frame(0.03)),
    ];
    for (what, spoil) in cases {
        let mut s = scan(17, 8);
        spoil(&mut s);
        let e = run_doctor(&mut s.contents(true));
        assert_eq!(faults(&e), Vec::<&str>::new(), "{what}: {:#?}", e.findings);
        let warns = |words: &str| {
            let mut all = e
                .findings
                .iter()
                .filter(|f| f.severity == Severity::Warning);
            assert!(
                all.any(|f| f.message.contains(words)),
                "{what}: {:#?}",
                e.findings
            );
        };
        if what == "hot pixel" {
            warns("hot pixels");
        } else {
            warns("the dose varies strongly between patterns");
            warns("were excluded from the trials");
            assert_eq!(e.used[0], 63);
        }
        let off = e.beam_center.unwrap().offset;
        assert!(off.iter().all(|v| v.get().abs() < 2.0), "{what}: {off:?}");
    }
}

/// A file that other commands refuse has a fault.
#[test]
fn positions_outside_the_object_or_far_from_origin_are_named() {
    let with = |object: Option<(usize, usize)>, far: f64| {
        let mut s = scan(21, 6);
        for p in &mut s.positions {
            *p = Position::new(p.x + far, p.y + far);
        }
        let mut contents = s.contents(true);
        contents.object = object.map(|dim| Array2::from_elem(dim, Complex32::ONE));
        run_doctor(&mut contents)
    };
    let e = with(Some((30, 30)), 0.0);
    assert_eq!(faults(&e), ["object"], "{:#?}", e.findings);
    // the centers are on it, but not the full patches
    let e = with(Some((46, 46)), 0.0);
    assert!(faults(&e).is_empty(), "{:#?}", e.findings);
    assert!(
        topic(&e, Severity::Warning, "object").is_some(),
        "{:#?}",
        e.findings
    );
    let e = with(Some((80, 80)), 0.0);
    assert!(
        !e.findings.iter().any(|f| f.topic == "object"),
        "{:#?}",
        e.findings
    );
    assert!(topic(&e, Severity::Note, "canvas").is_some());
    let e = with(None, 1e6);
    let canvas = topic(&e, Severity::Warning, "canvas").unwrap();
    assert!(canvas.message.contains("from the origin"), "{canvas:?}");
}

#[test]
fn invalid_probe_is_reported_and_any_scale_is_accepted() {
    let mut dark = scan(19, 6);
    dark.probe.fill(Complex32::ZERO);
    let e = run_doctor(&mut dark.contents(true));
    let why = topic(&e, Severity::Warning, "probe").unwrap();
    assert_eq!(why.evidence, "it is zero everywhere");
    let mut broken = scan(19, 6).contents(true);
    broken.probe.as_mut().unwrap()[[0, 4, 5]] = Complex32::new(f32::NAN, 0.0);
    let e = run_doctor(&mut broken);
    let why = topic(&e, Severity::Warning, "probe").unwrap();
    assert_eq!(why.evidence, "1 of its pixels are not finite");
    let mut strong = scan(19, 6);
    strong.probe.mapv_inplace(|z| z * 1e30);
    let (e, usual) = (
        run_doctor(&mut strong.contents(true)),
        run_doctor(&mut scan(19, 6).contents(true)),
    );
    assert!(
        topic(&e, Severity::Warning, "probe").is_none(),
        "{:#?}",
        e.findings
    );
    assert_eq!(e.ranking[0].hypothesis, usual.ranking[0].hypothesis);
}
