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
    /// errno of the write that failed: what is queued then, and later, is lost.
    private(set) var failure: CInt?
    /// Called when the queue has room again, or when nobody will ever take what was in it.
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
        stopWaiting()
        isBroken = true
        dropWritten()
    }

    private func pump() {
        while pending > 0, !isBroken, isReady(waiting: 0) { writeChunk() }
        dropWritten()
        pending > 0 ? waitForRoom() : stopWaiting()
    }

    private func writeChunk() {
        let count = queue.withUnsafeBytes { bytes in
            let rest = UnsafeRawBufferPointer(rebasing: bytes[head...].prefix(Self.chunk))
            return Glibc.write(raw, rest.baseAddress, rest.count)
        }
        if count > 0 {
            head += count
        } else if errno != EAGAIN, errno != EINTR {
            failure = errno
            isBroken = true
        }
    }

    /// Gives back the memory of what was written, or will never be; what is left moves once per as many bytes.
    private func dropWritten() {
        if isBroken { head = queue.count }
        if head == queue.count {
            queue.removeAll(keepingCapacity: queue.capacity <= Self.highWater)
            head = 0
        } else if head > max(Self.highWater, queue.count / 2) {
            queue = Array(queue[head...])
            head = 0
        }
    }

    private func isReady(waiting milliseconds: CInt) -> Bool {
        var question = pollfd(fd: raw, events: Int16(POLLOUT), revents: 0)
        return poll(&question, 1, milliseconds) > 0
    }

    private func waitForRoom() {
        guard watch == nil else { return }
        do throws(SystemError) {
            watch = try reactor.watch(raw, for: .writable) { [weak self] _ in self?.becameWritable() }
        } catch {
            // What cannot be watched (a regular file) is always ready, so it never comes here: the kernel is out of
            // memory or of watches.
            failure = error.code
            isBroken = true
            dropWritten()
        }
    }

    private func becameWritable() {
        pump()
        if hasRoom { onRoom?() }
    }

    private func stopWaiting() {
        guard let watch else { return }
        reactor.remove(watch)
        self.watch = nil
    }
}
