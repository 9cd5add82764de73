// Frames over a connected stream socket: each behind its length, 32 bits, big-endian (QEMU's net/stream.c;
// passt's socket mode). A frame that the kernel took half of is finished from a private copy before the next;
// a frame that the link refuses stays in the receive buffer, and the socket is read no further meanwhile.

import Glibc
import Link
import Linux

/// Why a connection ended.
public enum StreamEnd: Equatable, Sendable {
    /// In order, after whole frames.
    case closedByPeer
    /// A frame of more bytes than QEMU allows (4096 + 65536).
    case oversized(UInt32)
    /// A system call failed.
    case failed(SystemError)
}

/// One connection as a port: the `netdev` end of a link.
public final class StreamPort: FramePort {
    /// The longest frame, as QEMU's NET_BUFSIZE.
    public static let longest = 4096 + 65536
    private static let batch = 64
    /// Reads of one event: others want their turn, too.
    private static let readsPerTurn = 8

    private let socket: SharedDescriptor
    private let link: FrameLink
    private let reactor: Reactor
    private var watch: WatchID?
    private var wanted: Readiness = .readable
    private var isOver = false
    /// The peer takes nothing any more: frames to it are dropped.
    private var isOutputOver = false
    private let onEnd: (StreamEnd) -> Void

    private var input = StreamInput(longest: StreamPort.longest)
    /// The link refused a frame: it lies at the front of `input`.
    private var isHeldUp = false
    private var output = StreamOutput(batch: StreamPort.batch)

    /// Takes the `netdev` end of `link`.
    /// - Parameter onEnd: called once, at the end of a turn, when the connection is of no use any more.
    public init(
        _ socket: SharedDescriptor, on link: FrameLink, reactor: Reactor, onEnd: @escaping (StreamEnd) -> Void
    ) throws(SystemError) {
        self.socket = socket
        self.link = link
        self.reactor = reactor
        self.onEnd = onEnd
        watch = try reactor.watch(socket.raw, for: .readable) { [weak self] in self?.ready($0) }
        link.connect(self, at: .netdev)
    }

    deinit { close() }

    /// Leaves the link and forgets the connection.
    public func close() {
        isOver = true
        stopWatching()
        loseRest()
        if link.port(at: .netdev) === self { link.connect(nil, at: .netdev) }
    }

    /// What the peer has not read; 0 when the kernel does not say.
    var unread: Int { (try? UnixSocket.unread(socket.raw)) ?? 0 }

    // MARK: to the peer

    /// Nothing but bytes goes over a stream: all checksums, no frame that is to be cut, none longer than QEMU takes.
    public var capabilities: LinkCapabilities { LinkCapabilities(largestFrame: Self.longest) }

    /// Sends frames in one call of the kernel; refuses what it does not take.
    public func take(_ frames: UnsafeBufferPointer<FrameView>) -> Int {
        guard !isOver, !isOutputOver else { return lose(frames) }
        var taken = 0
        while taken < frames.count, !output.isCut {
            do throws(SystemError) {
                let count = try output.send(UnsafeBufferPointer(rebasing: frames[taken...]), to: socket.raw)
                taken += count
                if count == 0 { break }
            } catch {
                outputFailed(error)
                return taken + lose(UnsafeBufferPointer(rebasing: frames[taken...]))
            }
        }
        if !output.unsendable.isEmpty { loseUnsendable() }
        if taken < frames.count || output.isCut { want(.writable, true) }
        return taken
    }

    /// The peer takes nothing more: frames for it are dropped, which the link counts. All of them are taken.
    private func lose(_ frames: UnsafeBufferPointer<FrameView>) -> Int {
        link.lost(frames.count, bytes: frames.reduce(0) { $0 &+ $1.length }, at: .netdev)
        return frames.count
    }

    /// What was cut will never be whole.
    private func loseRest() {
        if let bytes = output.dropRest() { link.lost(1, bytes: bytes, at: .netdev) }
    }

    private func loseUnsendable() {
        for bytes in output.unsendable { link.lost(1, bytes: bytes, at: .netdev) }
        output.unsendable = []
    }

    private func canWrite() {
        guard !isOutputOver else { return want(.writable, false) }
        do throws(SystemError) {
            guard try output.finishCut(to: socket.raw) else { return }
            want(.writable, false)
            link.hasRoom(.netdev)
        } catch { outputFailed(error) }
    }

    /// A peer that closed is left when all that it sent before has been read.
    private func outputFailed(_ error: SystemError) {
        guard error.code == EPIPE else { return end(.failed(error)) }
        isOutputOver = true
        loseRest()
        want(.writable, false)
        link.hasRoom(.netdev)
    }

    // MARK: from the peer

    private func ready(_ readiness: Readiness) {
        if readiness.contains(.writable) { canWrite() }
        guard !isOver, !readiness.isDisjoint(with: [.readable, .hangUp, .failed]) else { return }
        guard isHeldUp else { return read() }
        // A hang-up is looked at when the frames before it have been handed on; until then epoll would tell of it in
        // every turn, whatever is wanted.
        if readiness.isDisjoint(with: [.hangUp, .failed]) { want(.readable, false) } else { stopWatching() }
    }

    private func read() {
        for _ in 0..<Self.readsPerTurn where !isHeldUp && !isOver {
            do throws(SystemError) {
                guard let count = try input.fill(from: socket.raw) else { return }
                guard count > 0 else { return end(.closedByPeer) }
                handOn()
                if !input.wasFilled { return }
            } catch { return end(.failed(error)) }
        }
    }

    private func handOn() {
        isHeldUp = false
        while !isHeldUp, !isOver {
            let refused = input.lend { frames in frames.count - link.send(frames, from: .netdev) }
            guard let refused else {
                // Looked at last: frames of no bytes may have lain before it.
                if let length = input.oversized { return end(.oversized(length)) }
                break
            }
            isHeldUp = refused > 0
        }
        if !isOver { want(.readable, !isHeldUp) }
    }

    /// Hands on what the link refused, and reads again.
    public func peerHasRoom() {
        guard isHeldUp, !isOver else { return }
        handOn()
        if !isHeldUp { read() }
    }

    // MARK: parts

    private func want(_ what: Readiness, _ isWanted: Bool) {
        let next = isWanted ? wanted.union(what) : wanted.subtracting(what)
        guard next != wanted else { return }
        wanted = next
        if let watch { return reactor.change(watch, to: next) }
        guard !isOver, isWanted, what == .readable else { return }
        do throws(SystemError) {
            watch = try reactor.watch(socket.raw, for: next) { [weak self] in self?.ready($0) }
        } catch { end(.failed(error)) }
    }

    private func stopWatching() {
        wanted.remove(.readable)
        if let watch { reactor.remove(watch) }
        watch = nil
    }

    private func end(_ reason: StreamEnd) {
        guard !isOver else { return }
        isOver = true
        stopWatching()
        reactor.atEndOfTurn { [weak self] in self?.onEnd(reason) }
    }
}
