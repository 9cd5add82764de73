// The bytes of a back-end's state on their way through a pipe, as the reactor lets them pass: nothing blocks, and a
// turn moves no more than its share.

import Glibc
import Linux

/// One way of a state, from the call to the last answer.
final class StateCarrier {
    enum End {
        /// All is through; false: the back-end stopped reading before that.
        case bytes(isWhole: Bool)
        case failed(VhostUserError)
    }

    /// Bytes moved in one turn of the loop.
    private static let budget = 1 << 20
    private static let pieceSize = 64 << 10

    let direction: StateTransfer
    /// What came, or what is to go.
    private(set) var bytes: [UInt8]
    private let limit: Int
    private let reactor: Reactor
    private var position = 0
    private var ours: SharedDescriptor?
    private var watch: WatchID?
    var onEnd: ((End) -> Void)?
    /// Told what became of it, and what came.
    var completion: ((StateOutcome, [UInt8]) -> Void)?

    /// - Parameter end: ours of the pipe.
    init(_ direction: StateTransfer, _ bytes: [UInt8], through end: SharedDescriptor, limit: Int, on reactor: Reactor) {
        self.direction = direction
        self.bytes = bytes
        self.limit = limit
        self.reactor = reactor
        ours = end
    }

    deinit { close() }

    /// Moves bytes from now on, through a descriptor of the back-end's where it has sent one.
    func begin(through other: SharedDescriptor?) throws(VhostUserError) {
        guard let descriptor = other ?? ours else { return }
        ours = descriptor
        do throws(SystemError) {
            try Self.setBlocking(descriptor, false)
            let events: Readiness = direction == .save ? .readable : .writable
            watch = try reactor.watch(descriptor.raw, for: events) { [weak self] _ in self?.turn() }
        } catch { throw .system(error) }
    }

    func close() {
        if let watch { reactor.remove(watch) }
        watch = nil
        ours = nil
    }

    static func setBlocking(_ descriptor: SharedDescriptor, _ isBlocking: Bool) throws(SystemError) {
        let flags = fcntl(descriptor.raw, F_GETFL)
        let wanted = isBlocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK
        guard flags >= 0, fcntl(descriptor.raw, F_SETFL, wanted) == 0 else {
            throw SystemError(call: "fcntl(F_SETFL)", code: errno, subject: "device state")
        }
    }

    private func turn() {
        var left = Self.budget
        while left > 0, let descriptor = ours {
            let count = direction == .save ? receive(descriptor.raw) : send(descriptor.raw)
            guard let count else { return }
            left -= count
        }
    }

    /// How many bytes came; nil when there are no more now, or at all.
    private func receive(_ fd: CInt) -> Int? {
        let count = withUnsafeTemporaryAllocation(byteCount: Self.pieceSize, alignment: 16) { room in
            let count = read(fd, room.baseAddress, room.count)
            if count > 0 { bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: room[..<count])) }
            return count
        }
        guard count > 0 else { return stopped(count, isWhole: true) }
        guard bytes.count <= limit else { return end(.failed(.stateTooLarge(limit: limit))) }
        return count
    }

    /// How many bytes went; nil when no more do now, or at all.
    private func send(_ fd: CInt) -> Int? {
        guard position < bytes.count else { return end(.bytes(isWhole: true)) }
        let count = bytes.withUnsafeBytes { all in
            write(fd, all.baseAddress.map { $0 + position }, min(Self.pieceSize, all.count - position))
        }
        guard count > 0 else { return stopped(count, isWhole: false) }
        position += count
        return count
    }

    /// A call moved nothing: the other end is closed, or it is to be tried again, or it failed.
    private func stopped(_ count: Int, isWhole: Bool) -> Int? {
        let code = errno
        if count == 0 { return end(.bytes(isWhole: isWhole)) }
        switch code {
        case EINTR: return 1
        case EAGAIN: return nil
        case EPIPE, ECONNRESET: return end(.bytes(isWhole: false))
        default: return end(.failed(.system(SystemError(call: "device state", code: code))))
        }
    }

    /// The end of file is the back-end's sign that this was all.
    private func end(_ end: End) -> Int? {
        close()
        onEnd?(end)
        return nil
    }
}
