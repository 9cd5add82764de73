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
    private let onEnd: (SystemError?) -> Void

    /// - Parameters:
    ///   - raw: borrowed, open for the life of the port.
    ///   - onEnd: called once, with the reason when it is not the end of what there was to read.
    init(
        _ raw: CInt, on reactor: Reactor, onBytes: @escaping ([UInt8]) -> Void,
        onEnd: @escaping (SystemError?) -> Void
    ) {
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
            reactor.atEndOfTurn { [weak self] in self?.end(error) }
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
            end(nil)
        } else {
            failed(SystemError(call: "read", code: errno))
        }
    }

    private func failed(_ error: SystemError) {
        guard error.code != EAGAIN, error.code != EINTR else { return }
        end(isHangUp(error) ? nil : error)
    }

    /// The peer of a socket, or of a terminal, has gone: an end like others. Of a file EIO is a disk's error.
    private func isHangUp(_ error: SystemError) -> Bool {
        var status = stat()
        return error.code == ECONNRESET
            || error.code == EIO && fstat(raw, &status) == 0 && status.st_mode & S_IFMT == S_IFCHR
    }

    private func end(_ error: SystemError?) {
        guard !isAtEnd else { return }
        close()
        onEnd(error)
    }
}
