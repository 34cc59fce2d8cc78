//! The scalar functions of `phalanx-maths`: in line where loops of them become vectors, and once in a program where code is scarce.

macro_rules! scalars {
    ($($name:ident),*) => {$(
        #[cfg_attr(feature = "simd", inline(always))]
        #[cfg_attr(not(feature = "simd"), inline(never))]
        pub fn $name(x: f32) -> f32 {
            phalanx_maths::$name(x)
        }
    )*};
}

scalars!(elu, leaky_relu, normal_cdf, relu, tanh);

/// 1/(1 + e⁻ˣ).
#[cfg_attr(feature = "simd", inline(always))]
pub fn sigmoid(x: f32) -> f32 {
    0.5 + 0.5 * tanh(0.5 * x)
}
