//! CartPole-v1, as in Gymnasium: Barto, Sutton and Anderson 1983.

/// A pole on a cart that is pushed to the left or to the right.
pub struct CartPole {
    /// Position and velocity of the cart, angle and angular velocity of the pole.
    state: [f64; 4],
    steps: u32,
    random: u64,
}

impl CartPole {
    pub fn new(seed: u64) -> Self {
        Self { state: [0.0; 4], steps: 0, random: seed }
    }

    /// Begins an episode: all four numbers in ±0.05.
    pub fn reset(&mut self) -> [f32; 4] {
        for x in &mut self.state {
            // Knuth's generator of 64 bits, of which the upper ones are random.
            self.random =
                self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *x = ((self.random >> 40) as f64 / (1 << 24) as f64) * 0.1 - 0.05;
        }
        self.steps = 0;
        self.observe()
    }

    /// Pushes the cart to the right, or to the left; whether the episode ended.
    pub fn step(&mut self, right: bool) -> ([f32; 4], bool) {
        let [x, speed, angle, turn] = self.state;
        let force = if right { 10.0 } else { -10.0 };
        let (sin, cos) = (libm::sin(angle), libm::cos(angle));
        let common = (force + 0.05 * turn * turn * sin) / 1.1;
        let angular = (9.8 * sin - cos * common) / (0.5 * (4.0 / 3.0 - 0.1 * cos * cos / 1.1));
        let linear = common - 0.05 * angular * cos / 1.1;
        self.state = [x + 0.02 * speed, speed + 0.02 * linear, angle + 0.02 * turn, turn + 0.02 * angular];
        self.steps += 1;
        let [x, _, angle, _] = self.state;
        let fell = libm::fabs(x) > 2.4 || libm::fabs(angle) > 12.0 * core::f64::consts::PI / 180.0;
        (self.observe(), fell || self.steps == 500)
    }

    fn observe(&self) -> [f32; 4] {
        self.state.map(|x| x as f32)
    }
}
