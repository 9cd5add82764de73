// Cards as sections: Virtio says what there is to write and in which order, to whoever brings a scribe; here that is the
// state's own coder.

import Bytes
import Virtio

extension StateCoder: StateScribe {
    /// Why reading failed.
    public typealias Failure = StateError
    /// The value cannot be.
    public func impossible(_ what: String) -> StateError { .impossible(what) }
}

/// A card: what it is, its registers, where its queues stand. See `NetDevice.code`; the back-end stands still meanwhile.
extension NetDevice: Movable {
    /// What the section is called.
    public static var kind: String { "virtio-net" }
    /// 1: as `NetDevice.code` writes it.
    public static var version: UInt16 { 1 }

    /// Writes everything down; nothing changes.
    public func encode(into out: inout StateEncoder, now: Instant) {
        var coder = StateCoder()
        // Only reading can fail.
        try? code(&coder)
        out.append(coder.encoder)
    }

    /// The device is new, of the same model, without a back-end; afterwards it is suspended.
    public func decode(from input: inout StateDecoder, version: UInt16, now: Instant) throws(StateError) {
        var coder = StateCoder(reading: input)
        try code(&coder)
        input = coder.decoder
    }
}
