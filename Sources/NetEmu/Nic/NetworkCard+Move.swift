// A card goes on in another process: its cable and its device. What it hangs on is the other side's command line's.
//
//     cable       is the card's own end in; is the other one
//     device      Virtio's section, in its length; empty for a guest that has frames only

import Bytes
import GuestNode

extension NetworkCard {
    /// What is to be said of it, while it stands still.
    func save(now: Instant) -> [UInt8] {
        var out = StateEncoder()
        out.flag(isOn)
        out.flag(isPeerOn)
        out.data(device.rings?.section(now: now) ?? [])
        return out.bytes
    }

    /// Takes up what `save` of another one gave; nothing is behind the card yet.
    func restore(_ state: [UInt8], now: Instant) throws(EmulationError) {
        do throws(StateError) {
            var input = StateDecoder(state)
            let (isOn, isPeerOn) = (try input.flag(), try input.flag())
            let device = try input.data(limit: MovableLimits.state)
            try input.finish()
            if let rings = self.device.rings {
                try rings.restore(from: device, now: now)
            } else {
                try StateDecoder(device).finish()
            }
            (self.isOn, self.isPeerOn) = (isOn, isPeerOn)
        } catch { throw EmulationError(text: "the state of card \(name) cannot be taken up: \(error)") }
    }
}
