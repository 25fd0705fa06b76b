//! One direction of a cable: what is lost, repeated, late or damaged on it.

use crate::packet::Packet;
use crate::random::Random;
use crate::time::{MILLISECOND, Nanos};

/// What a direction does to packets. Chances are in thousandths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    /// Which packets never arrive.
    pub loss: Loss,
    /// Packets that arrive twice.
    pub duplicate: u16,
    /// Packets that are overtaken by later ones.
    pub reorder: u16,
    /// How long every packet takes.
    pub delay: Nanos,
    /// How much longer it takes at most. Without `reorder` packets still arrive in order.
    pub jitter: Nanos,
    /// Packets in which some bits are wrong.
    pub corrupt: u16,
    /// How many bits, at most.
    pub corrupt_bits: u8,
    /// Packets that lose their end.
    pub truncate: u16,
    /// Payloads that are longer vanish in silence.
    pub mtu: usize,
    /// Nothing passes.
    pub is_cut: bool,
}

/// Which packets a direction loses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// None.
    None,
    /// Each with the same chance.
    Uniform(u16),
    /// Bursts (Gilbert-Elliott): a good state without loss, a bad one with `in_bad`, and chances to change.
    Bursty {
        /// From good to bad, at each packet.
        to_bad: u16,
        /// And back.
        to_good: u16,
        /// Lost while bad.
        in_bad: u16,
    },
    /// Exactly these, counted from 0.
    These(Vec<u64>),
}

impl Default for Faults {
    /// A healthy network: 10 ms, and nothing else happens.
    fn default() -> Self {
        Self {
            loss: Loss::None,
            duplicate: 0,
            reorder: 0,
            delay: 10 * MILLISECOND,
            jitter: 0,
            corrupt: 0,
            corrupt_bits: 3,
            truncate: 0,
            mtu: 1472,
            is_cut: false,
        }
    }
}

/// A direction with its faults and its memory.
#[derive(Debug)]
pub struct Link {
    /// What happens on it.
    pub faults: Faults,
    random: Random,
    is_bad: bool,
    carried: u64,
    /// When the last packet that keeps its place arrives.
    last_arrival: Nanos,
}

impl Link {
    /// A direction with its own randomness.
    #[must_use]
    pub fn new(faults: Faults, random: Random) -> Self {
        Self { faults, random, is_bad: false, carried: 0, last_arrival: 0 }
    }

    /// Makes it healthy; nothing waits behind what was slow.
    pub fn heal(&mut self) {
        (self.faults, self.last_arrival) = (Faults::default(), 0);
    }

    /// What becomes of a packet: when it arrives, and perhaps a second copy. Damages it in passing.
    pub fn carry(&mut self, packet: &mut Packet, now: Nanos) -> (Option<Nanos>, Option<Nanos>) {
        let number = self.carried;
        self.carried += 1;
        if self.faults.is_cut || packet.payload.len() > self.faults.mtu || self.loses(number) {
            return (None, None);
        }
        self.damage(packet);
        let first = self.arrival(now);
        let second = self.random.chance(self.faults.duplicate).then(|| self.arrival(now));
        (Some(first), second)
    }

    fn loses(&mut self, number: u64) -> bool {
        match &self.faults.loss {
            Loss::None => false,
            Loss::Uniform(chance) => self.random.chance(*chance),
            Loss::These(numbers) => numbers.contains(&number),
            Loss::Bursty { to_bad, to_good, in_bad } => {
                let change = if self.is_bad { *to_good } else { *to_bad };
                self.is_bad ^= self.random.chance(change);
                self.is_bad && self.random.chance(*in_bad)
            }
        }
    }

    fn damage(&mut self, packet: &mut Packet) {
        if self.random.chance(self.faults.corrupt) && !packet.payload.is_empty() {
            for _ in 0..self.random.between(1, u64::from(self.faults.corrupt_bits.max(1))) {
                let bit = self.random.below(packet.payload.len() as u64 * 8) as usize;
                packet.payload[bit / 8] ^= 1 << (bit % 8);
            }
            packet.is_intact = false;
        }
        if self.random.chance(self.faults.truncate) && !packet.payload.is_empty() {
            let kept = self.random.below(packet.payload.len() as u64) as usize;
            packet.payload.truncate(kept);
            packet.is_intact = false;
        }
    }

    fn arrival(&mut self, now: Nanos) -> Nanos {
        let jitter = if self.faults.jitter > 0 { self.random.below(self.faults.jitter) } else { 0 };
        let at = now + self.faults.delay + jitter;
        if self.random.chance(self.faults.reorder) {
            return at + self.random.between(1, 40) * MILLISECOND;
        }
        self.last_arrival = self.last_arrival.max(at);
        self.last_arrival
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Origin;

    fn packet() -> Packet {
        let address = "192.0.2.1:1".parse().unwrap();
        Packet::new(address, address, vec![0; 100], Origin::Noise)
    }

    fn arrivals(faults: Faults, count: u64) -> Vec<(Option<Nanos>, Option<Nanos>)> {
        let mut link = Link::new(faults, Random::new(1));
        (0..count).map(|number| link.carry(&mut packet(), number * MILLISECOND)).collect()
    }

    #[test]
    fn a_lossless_link_loses_nothing_and_changes_nothing() {
        let mut link = Link::new(Faults::default(), Random::new(1));
        for number in 0..1000 {
            let mut carried = packet();
            assert_eq!(link.carry(&mut carried, number), (Some(number + 10 * MILLISECOND), None));
            assert_eq!(carried, packet());
        }
    }

    #[test]
    fn losses_have_the_rate_that_was_asked_for() {
        let uniform = arrivals(Faults { loss: Loss::Uniform(300), ..Faults::default() }, 10_000);
        let lost = uniform.iter().filter(|(first, _)| first.is_none()).count();
        assert!((2800..3200).contains(&lost), "{lost}");
        let these = arrivals(Faults { loss: Loss::These(vec![0, 3]), ..Faults::default() }, 5);
        let lost: Vec<_> = these.iter().map(|(first, _)| first.is_none()).collect();
        assert_eq!(lost, [true, false, false, true, false]);
    }

    #[test]
    fn bursty_loss_comes_in_bursts() {
        let loss = Loss::Bursty { to_bad: 20, to_good: 200, in_bad: 900 };
        let all = arrivals(Faults { loss, ..Faults::default() }, 20_000);
        let is_lost: Vec<bool> = all.iter().map(|(first, _)| first.is_none()).collect();
        let lost = is_lost.iter().filter(|lost| **lost).count();
        let followed = is_lost.windows(2).filter(|pair| pair[0] && pair[1]).count();
        assert!((1000..3000).contains(&lost), "{lost}");
        assert!(followed * 2 > lost, "after a loss the next one is likely: {followed} of {lost}");
    }

    #[test]
    fn jitter_alone_keeps_the_order_and_reordering_does_not() {
        let jitter = Faults { jitter: 50 * MILLISECOND, ..Faults::default() };
        let order = |faults| arrivals(faults, 300).iter().filter_map(|(at, _)| *at).collect::<Vec<_>>();
        assert!(order(jitter.clone()).is_sorted());
        assert!(!order(Faults { reorder: 300, ..jitter }).is_sorted());
    }

    #[test]
    fn what_is_too_long_or_cut_off_vanishes_and_what_is_damaged_says_so() {
        assert!(arrivals(Faults { mtu: 99, ..Faults::default() }, 3).iter().all(|(at, _)| at.is_none()));
        assert!(arrivals(Faults { is_cut: true, ..Faults::default() }, 3).iter().all(|(at, _)| at.is_none()));
        for faults in [
            Faults { corrupt: 1000, corrupt_bits: 1, ..Faults::default() },
            Faults { truncate: 1000, ..Faults::default() },
        ] {
            let mut carried = packet();
            Link::new(faults, Random::new(2)).carry(&mut carried, 0);
            assert!(!carried.is_intact && carried.payload != packet().payload);
        }
        let twice = arrivals(Faults { duplicate: 1000, ..Faults::default() }, 3);
        assert!(twice.iter().all(|(first, second)| first.is_some() && second.is_some()));
    }
}
