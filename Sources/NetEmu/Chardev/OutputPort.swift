// Bytes on their way to a descriptor that may be slow: a queue, written when the descriptor takes
// something. A pipe that nobody reads must not stop the loop, and the descriptor may be shared with
// other processes, so it is not made non-blocking: it is asked first, and given at most PIPE_BUF.

import Glibc
import Linux

/// A queue in front of a descriptor.
final class OutputPort {
    private static let chunk = 4096
    /// Queued bytes above which the owner should produce no more.
    private static let highWater = 64 << 10

    private let raw: CInt
    private let reactor: Reactor
    private var queue: [UInt8] = []
    private var head = 0
    private var watch: WatchID?
    private(set) var isBroken = false
    /// Called when the queue has room again.
    var onRoom: (() -> Void)?

    /// - Parameter raw: borrowed, open for the life of the port.
    init(_ raw: CInt, on reactor: Reactor) {
        self.raw = raw
        self.reactor = reactor
    }

    var pending: Int { queue.count - head }
    var hasRoom: Bool { pending < Self.highWater }

    func write(_ bytes: some Collection<UInt8>) {
        guard !isBroken, !bytes.isEmpty else { return }
        queue += bytes
        if watch == nil { pump() }
    }

    /// Writes what is left, waiting at most `milliseconds` for the reader. For the end of the program.
    func flush(milliseconds: CInt) {
        var patience = milliseconds
        while pending > 0, !isBroken, patience > 0 {
            if isReady(waiting: 20) { writeChunk() } else { patience -= 20 }
        }
    }

    func close() {
        if let watch { reactor.remove(watch) }
        watch = nil
        isBroken = true
        queue = []
        head = 0
    }

    private func pump() {
        while pending > 0, !isBroken, isReady(waiting: 0) { writeChunk() }
        if pending == 0 {
            queue.removeAll(keepingCapacity: true)
            head = 0
        }
        pending > 0 && !isBroken ? waitForRoom() : stopWaiting()
    }

    private func writeChunk() {
        let count = queue.withUnsafeBytes { bytes in
            let rest = UnsafeRawBufferPointer(rebasing: bytes[head...].prefix(Self.chunk))
            return Glibc.write(raw, rest.baseAddress, rest.count)
        }
        if count > 0 {
            head += count
        } else if errno != EAGAIN, errno != EINTR {
            isBroken = true
        }
    }

    private func isReady(waiting milliseconds: CInt) -> Bool {
        var question = pollfd(fd: raw, events: Int16(POLLOUT), revents: 0)
        return poll(&question, 1, milliseconds) > 0
    }

    private func waitForRoom() {
        guard watch == nil else { return }
        // What cannot be watched (a regular file) is always ready, so it never comes here.
        watch = try? reactor.watch(raw, for: .writable) { [weak self] _ in
            self?.pump()
            if let self, self.hasRoom { self.onRoom?() }
        }
        if watch == nil { isBroken = true }
    }

    private func stopWaiting() {
        guard let watch else { return }
        reactor.remove(watch)
        self.watch = nil
    }
}
