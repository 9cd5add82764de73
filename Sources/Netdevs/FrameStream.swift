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
    public let link: FrameLink
    private let reactor: Reactor
    private var port: StreamPort?
    /// A connection has ended by itself; it is detached already.
    public var onEnd: ((StreamEnd) -> Void)?

    public init(on reactor: Reactor) {
        self.reactor = reactor
        link = FrameLink(on: reactor)
    }

    public var isAttached: Bool { port != nil }

    public func attach(_ socket: SharedDescriptor) throws(SystemError) {
        port = try StreamPort(socket, on: link, reactor: reactor) { [weak self] reason in
            self?.detach()
            self?.onEnd?(reason)
        }
    }

    public func detach() {
        port?.close()
        port = nil
    }
}
