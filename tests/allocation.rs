//! A training step does not allocate: buffers are allocated once.
//!
//! A separate test binary, because the counter counts all allocations of the process.
#![allow(
    unsafe_code,
    reason = "an allocator that counts; it hands every call on to the system's"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use ptyproof::par::Pool;
use ptyproof_harness::pipeline::{Job, NumericsChoice, prepare};
use ptyproof_harness::scenario::{Overrides, Scenario, Snapshot};
use ptyproof_kernels::adam::Adam;
use ptyproof_pinn::training::sentinel::{Place, Sentinel};
use ptyproof_pinn::training::train::step;

struct Counter;

static COUNT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(p, layout) }
    }
    unsafe fn realloc(&self, p: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(p, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counter = Counter;

#[test]
fn training_step_does_not_allocate() {
    let snapshot = Snapshot::builtin().expect("built in");
    for (name, numerics) in [
        ("gs1_ideal", NumericsChoice::Guarded),
        ("gs2_ideal", NumericsChoice::Guarded),
        ("gs2_ideal", NumericsChoice::Reference),
    ] {
        let scenario = Scenario::resolve(&snapshot, name, &Overrides::default()).expect("there");
        let request = Job::new(scenario, numerics, 3);
        let pool = Pool::new(2).expect("two threads");
        let ready = prepare::ready(&request, &pool).expect("built in");
        let (mut engine, training) = (ready.engine, ready.training);
        let mut adam = Adam::new(engine.model().weights().len());
        // the last batch of an epoch is smaller
        let batch = request.scenario.batch_size;
        let members: Vec<usize> = (0..batch).collect();
        let counted = pool.run(|| {
            let mut go = |members: &[usize]| {
                let place = Place {
                    epoch: 0,
                    step: adam.t + 1,
                    members,
                    data: &training,
                };
                let record = step(
                    &mut engine,
                    &mut adam,
                    place,
                    1e-3,
                    &mut Sentinel::default(),
                );
                assert!(record.loss.is_finite() && record.update_norm > 0.0);
            };
            // work space grows in the first steps, to what the largest needs
            (0..3).for_each(|_| go(&members));
            let before = COUNT.load(Ordering::Relaxed);
            for k in 0..4 {
                go(&members[..batch - k % 2]);
            }
            COUNT.load(Ordering::Relaxed) - before
        });
        assert_eq!(
            counted, 0,
            "allocations in four steps of {name}, {numerics:?}"
        );
    }
}
