// The driver side of a device as a port of a link: how a back-end that works on rings (a vhost-user process)
// sits on a hub, serves a namespace or is exported. Frames are copied into transmit slots; received ones are lent
// to the link where they lie. What the link refuses stays in its receive buffers.
//
//   link ── take ──▶ transmit slots ──▶ device ── rings ──▶ back-end
//   link ◀─ lent ─── receive buffers ◀─ device ◀─ rings ─── back-end

import Link

/// A port behind which a `NetDriver` drives a device. Lives on the device's thread.
///
/// While the driver does not run, or the device's link is down, frames are dropped and counted, as by a card without
/// a carrier: what was sent to a back-end that died is kept in its ring, what comes afterwards is not kept at all.
public final class NetDriverPort: FramePort {
    /// The driver; its `onWork` and `onEvent` are the port's.
    public let driver: NetDriver
    private let link: FrameLink
    private let end: LinkEnd
    private let atEndOfTurn: (@escaping () -> Void) -> Void
    private var isWorkScheduled = false
    /// The link was refused a frame: it is told when a slot is free.
    private var hasRefused = false
    /// The link refused a frame: nothing is lent until it has room.
    private var isBlocked = false

    /// Frames that no slot can hold; a link that knows what the port can do sends none.
    public private(set) var tooLong: UInt64 = 0
    /// Frames that came while none could be sent.
    public private(set) var droppedWhileDown: UInt64 = 0
    /// The driver's news. After `failed` its owner calls `restart`, some time later.
    public var onEvent: ((NetDriverEvent) -> Void)?

    /// Takes the `end` of `link`, and the first turn is planned. The link does not own its ports.
    /// - Parameters:
    ///   - driver: what moves the frames.
    ///   - link: where they go, and come from.
    ///   - end: which end of it this is.
    ///   - atEndOfTurn: runs what it is given when the present turn of the loop is over.
    public init(
        _ driver: NetDriver, on link: FrameLink, at end: LinkEnd,
        atEndOfTurn: @escaping (@escaping () -> Void) -> Void
    ) {
        self.driver = driver
        self.link = link
        self.end = end
        self.atEndOfTurn = atEndOfTurn
        driver.onWork = { [weak self] in self?.scheduleWork() }
        driver.onEvent = { [weak self] in self?.driverSaid($0) }
        link.connect(self, at: end)
        scheduleWork()
    }

    /// Tries again after the driver failed.
    public func restart() {
        driver.restart()
        scheduleWork()
    }

    /// Leaves the link and resets the device; keep the port until `gone` is told.
    public func close() {
        if link.port(at: end) === self { link.connect(nil, at: end) }
        driver.detach()
    }

    private func driverSaid(_ event: NetDriverEvent) {
        if case .link = event { link.capabilitiesChanged(end) }
        onEvent?(event)
    }

    // MARK: the link's door

    /// What the driver's device takes.
    public var capabilities: LinkCapabilities { driver.capabilities }

    /// Copies frames into free slots and sends them; refuses what there are no slots for.
    public func take(_ frames: UnsafeBufferPointer<FrameView>) -> Int {
        guard driver.state == .running, driver.isLinkUp else {
            droppedWhileDown &+= UInt64(frames.count)
            return frames.count
        }
        var taken = 0
        while taken < frames.count, driver.transmit({ fill($0, from: frames, &taken) }) {}
        if taken < frames.count {
            hasRefused = true
            scheduleWork()
        }
        return taken
    }

    /// Copies frames from `next` on while there are slots; how many slots are filled.
    private func fill(
        _ slots: UnsafeMutableBufferPointer<TransmitSlot>, from frames: UnsafeBufferPointer<FrameView>,
        _ next: inout Int
    ) -> Int {
        var filled = 0
        while filled < slots.count, next < frames.count {
            let frame = frames[next]
            next += 1
            guard frame.length <= slots[filled].room.count else {
                tooLong &+= 1
                continue
            }
            slots[filled].length = frame.copy(from: 0, into: slots[filled].room)
            slots[filled].offload = frame.offload
            filled += 1
        }
        return filled
    }

    /// Lends the link again what it refused.
    public func peerHasRoom() {
        isBlocked = false
        scheduleWork()
    }

    // MARK: work

    private func scheduleWork() {
        guard !isWorkScheduled else { return }
        isWorkScheduled = true
        atEndOfTurn { [weak self] in self?.work() }
    }

    private func work() {
        isWorkScheduled = false
        driver.follow()
        let hasMore = !isBlocked && receive()
        let room = driver.room()
        if hasRefused, room > 0 || !driver.isLinkUp {
            hasRefused = false
            link.hasRoom(end)
        }
        if driver.rearm() || hasMore { scheduleWork() }
    }

    /// Lends what arrived to the link; true when there is more that it would take.
    private func receive() -> Bool {
        let turn = driver.receive { link.send($0, from: end) }
        isBlocked = turn.isRefused
        return turn.hasMore
    }
}
