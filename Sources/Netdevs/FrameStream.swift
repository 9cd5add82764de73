// A link whose host end is one stream connection after another. Who makes the connections, and what follows
// when one ends, is the owner's.

import Link
import Linux

extension FrameLink {
    /// A link whose work is done on `reactor`.
    public convenience init(on reactor: Reactor) {
        self.init(atEndOfTurn: { [unowned reactor] in reactor.atEndOfTurn($0) })
    }
}

/// The side of a back-end that moves frames.
public final class FrameStream {
    /// The link; the card's end is the owner's to connect.
    public let link: FrameLink
    private let reactor: Reactor
    private var port: StreamPort?
    private var life = StreamLife()
    /// A connection has ended by itself; it is detached already.
    public var onEnd: ((StreamEnd) -> Void)?

    /// No connection yet: the link's host end is open.
    public init(on reactor: Reactor) {
        self.reactor = reactor
        link = FrameLink(on: reactor)
    }

    /// There is a connection.
    public var isAttached: Bool { port != nil }

    /// A connected stream socket is the link's host end from now on, in place of a former one.
    public func attach(_ socket: SharedDescriptor) throws(SystemError) {
        life = StreamLife()
        port = try StreamPort(socket, on: link, reactor: reactor) { [weak self] reason in
            self?.detach()
            self?.onEnd?(reason)
        }
    }

    /// How long the other end has neither read what it was sent nor sent anything, in nanoseconds, as far as repeated
    /// calls can tell; 0 when nothing waits to be read.
    public func silence(now: UInt64) -> UInt64 {
        guard let unread = port?.unread else { return 0 }
        return life.silence(
            at: StreamLife.Look(
                time: now, unread: unread, sent: link.counters(.card).bytes, arrived: link.counters(.netdev).frames))
    }

    /// The link's host end is open again; frames sent there are dropped and counted.
    public func detach() {
        port?.close()
        port = nil
    }
}
