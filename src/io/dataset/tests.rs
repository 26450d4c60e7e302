//! The law of a data set, one breach at a time.

use super::*;
use ndarray::Array3;

fn make(edit: impl FnOnce(&mut Array3<f32>, &mut Vec<Position>)) -> Result<Dataset> {
    let mut values = Array3::from_elem((3, 4, 4), 1.0);
    let mut positions = vec![Position::new(1.0, 2.0); 3];
    edit(&mut values, &mut positions);
    let object = Array2::from_elem((6, 5), Complex32::ONE);
    let n = positions.len();
    Dataset::new(
        "scan",
        Patterns::new(values),
        positions,
        vec![0; n],
        None,
        Some(object),
    )
}

fn refusal(edit: impl FnOnce(&mut Array3<f32>, &mut Vec<Position>)) -> String {
    make(edit).unwrap_err().to_string()
}

#[test]
fn invalid_array_is_named_with_index_and_count() {
    let nan = refusal(|v, _| {
        v[[1, 2, 3]] = f32::NAN;
        v[[2, 0, 0]] = f32::INFINITY;
    });
    assert!(
        nan.contains("pattern 1, row 2, col 3") && nan.contains("2 non-finite"),
        "{nan}"
    );
    assert!(nan.contains("in 2 of 3 patterns"), "{nan}");
    let negative = refusal(|v, _| v[[0, 0, 1]] = -1.0);
    assert!(negative.contains("1 negative"), "{negative}");
    assert!(refusal(|v, _| v.fill(0.0)).contains("need at least one pixel above zero"));
    assert!(refusal(|_, p| p.truncate(2)).contains("got 2 entries, need 3"));
    assert!(refusal(|_, p| p[1].y = f64::NAN).contains("position 1"));
    let out = refusal(|_, p| p[2].x = 5.0);
    assert!(
        out.contains("position 2") && out.contains("0 <= x < 5 and 0 <= y < 6"),
        "{out}"
    );
    assert!(refusal(|v, _| *v = Array3::ones((3, 4, 6))).contains("square"));
    assert!(refusal(|v, _| *v = Array3::ones((3, 5, 5))).contains("even"));
    assert!(refusal(|v, _| *v = Array3::ones((0, 4, 4))).contains("no pattern"));
    assert!(make(|_, _| {}).is_ok());
}

#[test]
fn subset_keeps_the_requested_order() {
    let d = make(|v, p| {
        v[[2, 0, 0]] = 7.0;
        p[2].x = 4.5;
    })
    .unwrap();
    let s = d.subset(&[2, 0], "part").unwrap();
    assert_eq!(
        (s.len(), s.patterns.values()[[0, 0, 0]], s.positions[0].x),
        (2, 7.0, 4.5)
    );
    assert_eq!((s.object_bounds(), s.side().get()), (Some((6, 5)), 4));
    assert_eq!(s.position_bounds().1, Position::new(4.5, 2.0));
    assert!(d.subset(&[], "none").is_err());
    assert!(
        d.subset(&[3], "far")
            .unwrap_err()
            .to_string()
            .contains("from 0 to 2")
    );
}
