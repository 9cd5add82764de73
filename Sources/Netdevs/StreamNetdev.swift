// `-netdev stream`: frames over one stream connection at a time (QEMU's net/stream.c). How connections come
// about is StreamEndpoint's, what travels on them StreamPort's; here is what a card is told of both.

import Link
import Linux

/// A back-end that speaks QEMU's stream protocol.
public final class StreamNetdev {
    private let stream: FrameStream
    private let endpoint: StreamEndpoint
    private var isStopped = false
    /// What is to be said beside its state: why the last connection ended when that was no orderly end, and why there
    /// will be no other one.
    public var onNotice: ((String) -> Void)?
    /// Called with whether frames pass, when that changed.
    public var onLink: ((Bool) -> Void)?

    /// Nothing happens before `start`.
    public init(_ address: StreamAddress, _ role: StreamEndpoint.Role, on reactor: Reactor) {
        stream = FrameStream(on: reactor)
        endpoint = StreamEndpoint(address, role, on: reactor)
        stream.onEnd = { [weak self] in self?.ended($0) }
        endpoint.onEvent = { [weak self] in self?.endpointSaid($0) }
    }

    /// The link of the back-end.
    public var link: FrameLink { stream.link }

    /// Frames pass.
    public var isUp: Bool { stream.isAttached }

    /// QEMU's words of `info network`; a client whose only connection is over says so, which QEMU does not.
    public var info: String {
        switch endpoint.state {
        case .idle, .resolving: "initializing"
        case .listening: "listening"
        case .connecting, .waiting: "connecting"
        case .connected(let peer): peer
        case .failed(let failure): "error: \(failure.sentence(at: endpoint.address))"
        case .ended(let peer): "\(peer),disconnected"
        }
    }

    /// Listens or connects.
    public func start() { endpoint.start() }

    /// Ends the connection and makes no other.
    public func stop() {
        isStopped = true
        stream.detach()
        endpoint.stop()
    }

    private func endpointSaid(_ event: StreamEndpoint.Event) {
        guard !isStopped else { return }
        if case .failed(let failure) = endpoint.state { onNotice?(failure.sentence(at: endpoint.address)) }
        guard case .connected(let socket) = event else { return }
        do throws(SystemError) {
            try stream.attach(socket)
            onLink?(true)
        } catch {
            onNotice?("\(error)")
            endpoint.connectionEnded()
        }
    }

    private func ended(_ reason: StreamEnd) {
        guard !isStopped else { return }
        endpoint.connectionEnded()
        if case .ended = endpoint.state {
            onNotice?("connection ended: \(reason); without reconnect-ms there is no other")
        } else if reason != .closedByPeer {
            onNotice?("connection ended: \(reason)")
        }
        onLink?(false)
    }
}

extension StreamEnd: CustomStringConvertible {
    public var description: String {
        switch self {
        case .closedByPeer: "closed by the peer"
        case .oversized(let length): "a frame of \(length) bytes, \(StreamPort.longest) are allowed"
        case .failed(let error): "\(error)"
        }
    }
}
