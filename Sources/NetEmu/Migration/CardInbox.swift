// What comes for a card while its guest is on the way: at the source frames go along with it, at the destination they
// wait behind those. It sits where the card sat, at the link of a back-end on frames.

import Link
import Linux

/// The place of a card on its link while nobody works on the card's rings.
final class CardInbox: FramePort {
    /// What becomes of a frame.
    enum Use {
        /// It goes elsewhere.
        case forward(([UInt8]) -> Void)
        /// Its sender keeps it.
        case refuse
        /// The guest runs somewhere else.
        case drop
    }

    let card: any CardDevice
    var use: Use
    /// Frames that the card is to get before any other.
    private var waiting: [[UInt8]] = []
    private var isGivingBack = false
    private let reactor: Reactor
    private lazy var alarm = Alarm(on: reactor) { [weak self] in self?.pump() }
    private var giveUpAt: UInt64?
    /// A guest that takes nothing for so long will not take these any more.
    private static let patience: UInt64 = 5_000_000_000
    private static let pause: UInt64 = 1_000_000

    /// nil when no frames pass here.
    init?(_ card: any CardDevice, use: Use, on reactor: Reactor) {
        (self.card, self.use, self.reactor) = (card, use, reactor)
        guard card.divert(to: self) else { return nil }
    }

    func take(_ frames: UnsafeBufferPointer<FrameView>) -> Int {
        switch use {
        case .refuse: return 0
        case .drop: return frames.count
        case .forward(let forward):
            for frame in frames {
                var bytes: [UInt8] = []
                bytes.reserveCapacity(frame.length)
                for segment in frame.segments { bytes.append(contentsOf: segment) }
                forward(bytes)
            }
            return frames.count
        }
    }

    func peerHasRoom() {}

    /// The card gets this first, once it runs.
    func put(_ frame: [UInt8]) { waiting.append(frame) }

    /// The card has its place again, as soon as it has taken what waits. Call when it runs.
    func giveBack() {
        use = .refuse
        isGivingBack = true
        giveUpAt = reactor.nowNanoseconds &+ Self.patience
        pump()
    }

    /// Frames that come in now from the other netemu: the card may be in its place already.
    func deliver(_ frame: [UInt8]) {
        put(frame)
        if isGivingBack { pump() }
    }

    private func pump() {
        guard isGivingBack else { return }
        var taken = 0
        while taken < waiting.count, waiting[taken].withUnsafeBytes({ card.deliver($0) }) { taken += 1 }
        waiting.removeFirst(taken)
        if taken > 0 { giveUpAt = reactor.nowNanoseconds &+ Self.patience }
        if let giveUpAt, reactor.nowNanoseconds >= giveUpAt { waiting = [] }
        guard waiting.isEmpty else { return alarm.set(reactor.nowNanoseconds &+ Self.pause) }
        _ = card.divert(to: nil)
    }
}
