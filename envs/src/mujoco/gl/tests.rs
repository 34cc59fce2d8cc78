#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::rc::Rc;

use super::super::params::{ModelParams, PictureParams};
use super::super::picture::Picture;
use super::super::simulator::Simulator;
use super::driver::suits;
use super::*;
use crate::Frame;

#[test]
fn what_cannot_be_chosen_says_what_can() {
    let reason = |choice| find(choice).err().unwrap();
    assert_eq!(reason("off"), "MUJOCO_GL is off");
    assert_eq!(reason("GLFW "), "MUJOCO_GL is \"glfw\", and can be egl, osmesa or off");
}

#[test]
fn an_opengl_that_would_end_the_process_is_refused() {
    const ALL: &str = "GL_ARB_vertex_buffer_object GL_ARB_framebuffer_object GL_ARB_depth_buffer_float ";
    for version in ["1.5", "2.1 Mesa", "4.5 (Compatibility Profile) Mesa 22.3.6", "4.6.0 NVIDIA 535.54"] {
        suits(version, ALL).unwrap();
        let lacking = ALL.replace("GL_ARB_framebuffer_object", "GL_ARB_framebuffer_object_2");
        assert!(suits(version, &lacking).unwrap_err().contains("lacks GL_ARB_framebuffer_object"));
    }
    for version in ["", "1.4", "OpenGL ES 3.2 Mesa"] {
        assert!(suits(version, ALL).unwrap_err().contains("1.5 is needed"), "{version}");
    }
}

/// Which pixels are of the cheetah, whose colours are warm; floor, sky and reflections are not.
fn body(frame: &Frame) -> Vec<bool> {
    frame.pixels.chunks_exact(3).map(|rgb| i32::from(rgb[0]) - i32::from(rgb[2]) > 25).collect()
}

/// Pixels that are of the body in both pictures, as part of those in either.
fn overlap(a: &[bool], b: &[bool]) -> f64 {
    let count =
        |which: fn(bool, bool) -> bool| a.iter().zip(b).filter(|&(&a, &b)| which(a, b)).count() as f64;
    count(|a, b| a && b) / count(|a, b| a || b)
}

#[test]
fn mujoco_draws_what_is_drawn_plainly() {
    let mut simulator = Simulator::new(&ModelParams::new("half_cheetah.xml", 5), false).unwrap();
    let offscreen = match Offscreen::of(simulator.model()) {
        Ok(offscreen) => offscreen,
        Err(reason) => return println!("skipped: {reason}"),
    };
    println!("{}", renderer().unwrap());
    assert!(Rc::ptr_eq(&offscreen, &Offscreen::of(simulator.model()).unwrap()), "rows share a offscreen");
    let picture = Picture::new(&PictureParams::default(), &simulator).unwrap();
    let first = picture.draw(&mut simulator);
    assert_eq!((first.width, first.height, first.pixels.len()), (480, 480, 480 * 480 * 3));
    let colours: HashSet<_> = first.pixels.chunks_exact(3).collect();
    assert!(colours.len() > 100, "{} colours: lit and shaded", colours.len());
    assert_eq!(picture.draw(&mut simulator), first, "the same state twice");

    // Sizes, place and camera are the same; what is turned over lies elsewhere.
    let (filmed, plain) = (body(&first), body(&picture.draw_plainly(&simulator)));
    let flipped: Vec<_> = plain.chunks_exact(480).rev().flatten().copied().collect();
    let mirrored: Vec<_> = plain.chunks_exact(480).flat_map(|line| line.iter().rev()).copied().collect();
    let [upright, flipped, mirrored] = [&plain, &flipped, &mirrored].map(|other| overlap(&filmed, other));
    assert!(upright > 0.8 && flipped < 0.4 && mirrored < 0.4, "{upright} {flipped} {mirrored}");

    let mut unseen = Simulator::new(&ModelParams::new("half_cheetah.xml", 5), false).unwrap();
    for simulator in [&mut simulator, &mut unseen] {
        for _ in 0..5 {
            simulator.advance(&[0.4; 6]);
        }
    }
    assert_eq!(simulator.qpos(), unseen.qpos(), "drawing changes nothing");
    assert_ne!(picture.draw(&mut simulator), first);
    drop(offscreen);
    // Another model, and another picture of the first one.
    let drawn = |xml_file| {
        let mut simulator = Simulator::new(&ModelParams::new(xml_file, 1), false).unwrap();
        Picture::new(&PictureParams::default(), &simulator).unwrap().draw(&mut simulator)
    };
    assert_ne!(drawn("hopper.xml"), first);
    assert_eq!(drawn("half_cheetah.xml"), first);
}
