// Bytes that come from a descriptor: watched where it can be watched, read to its end where it
// cannot (a regular file, /dev/null). Reading can be paused, so that a fast typist does not outrun
// a slow reader of the answers.

import Glibc
import Linux

/// A reader of one descriptor.
final class InputPort {
    private let raw: CInt
    private let reactor: Reactor
    private var watch: WatchID?
    private var isPlainFile = false
    private(set) var isAtEnd = false
    var isPaused = false {
        didSet { if oldValue != isPaused { applyPause() } }
    }
    private let onBytes: ([UInt8]) -> Void
    private let onEnd: () -> Void

    /// - Parameter raw: borrowed, open for the life of the port.
    init(_ raw: CInt, on reactor: Reactor, onBytes: @escaping ([UInt8]) -> Void, onEnd: @escaping () -> Void) {
        self.raw = raw
        self.reactor = reactor
        self.onBytes = onBytes
        self.onEnd = onEnd
    }

    func start() {
        do throws(SystemError) {
            watch = try reactor.watch(raw, for: .readable) { [weak self] _ in self?.readOnce() }
        } catch  where error.code == EPERM {
            isPlainFile = true
            scheduleRead()
        } catch {
            StandardStream.error.warn("input from descriptor \(raw) ends here: \(error)")
            reactor.atEndOfTurn { [weak self] in self?.end() }
        }
    }

    func close() {
        if let watch { reactor.remove(watch) }
        watch = nil
        isAtEnd = true
    }

    private func applyPause() {
        if let watch { reactor.change(watch, to: isPaused ? [] : .readable) }
        if isPlainFile, !isPaused { scheduleRead() }
    }

    private func scheduleRead() {
        reactor.schedule(atNanoseconds: reactor.nowNanoseconds) { [weak self] in
            guard let self, !self.isPaused, !self.isAtEnd else { return }
            self.readOnce()
            if !self.isAtEnd { self.scheduleRead() }
        }
    }

    private func readOnce() {
        guard !isAtEnd else { return }
        var count = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: 4096) { room, initialized in
            count = Glibc.read(raw, room.baseAddress, 4096)
            initialized = max(0, count)
        }
        if count > 0 {
            onBytes(bytes)
        } else if count == 0 {
            end()
        } else {
            failed(SystemError(call: "read", code: errno))
        }
    }

    /// EIO is a terminal that was hung up; anything else is told before it is the end.
    private func failed(_ error: SystemError) {
        guard error.code != EAGAIN, error.code != EINTR else { return }
        if error.code != EIO, error.code != ECONNRESET {
            StandardStream.error.warn("input from descriptor \(raw) ends here: \(error)")
        }
        end()
    }

    private func end() {
        guard !isAtEnd else { return }
        close()
        onEnd()
    }
}
