// The two directions of the length-prefixed stream: bytes to frames, where they lie in one buffer, and
// frames to one system call for many. Made once per connection; a frame costs no allocation.

import Glibc
import Link
import Linux

/// What was received and not handed on yet.
struct StreamInput: ~Copyable {
    private static let batch = 64
    private let longest: Int
    private let room: UnsafeMutableRawBufferPointer
    private let frames: UnsafeMutablePointer<FrameView>
    private let segments: UnsafeMutablePointer<UnsafeRawBufferPointer>
    /// Received bytes are `start ..< end`.
    private var start = 0
    private var end = 0
    /// The last `fill` took all that there was room for.
    private(set) var wasFilled = false

    init(longest: Int) {
        self.longest = longest
        room = .allocate(byteCount: 4 * (longest + 4), alignment: 64)
        frames = .allocate(capacity: Self.batch)
        segments = .allocate(capacity: Self.batch)
    }

    deinit {
        room.deallocate()
        frames.deallocate()
        segments.deallocate()
    }

    /// Receives what fits; nil when there is nothing, 0 at the end.
    mutating func fill(from socket: CInt) throws(SystemError) -> Int? {
        compact()
        let free = UnsafeMutableRawBufferPointer(rebasing: room[end...])
        var count: Int
        repeat {
            count = recv(socket, free.baseAddress, free.count, CInt(MSG_DONTWAIT))
        } while count < 0
            && errno == EINTR
        if count < 0 {
            if errno == EAGAIN { return nil }
            throw SystemError(call: "recv", code: errno)
        }
        end += count
        wasFilled = count == free.count
        return count
    }

    private mutating func compact() {
        guard start > 0 else { return }
        if start == end {
            (start, end) = (0, 0)
        } else if room.count - end < longest + 4, let base = room.baseAddress {
            memmove(base, base + start, end - start)
            (start, end) = (0, end - start)
        }
    }

    private func length(at offset: Int) -> UInt32? {
        guard end - offset >= 4 else { return nil }
        return UInt32(bigEndian: room.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    /// The length of the next frame, when no frame may be so long.
    var oversized: UInt32? {
        guard let length = length(at: start), length > UInt32(longest) else { return nil }
        return length
    }

    /// Lends the whole frames at the front, at most a batch; `body` answers how many of the last it refused. Frames of
    /// no bytes are skipped. nil when there is no whole frame.
    mutating func lend(_ body: (UnsafeBufferPointer<FrameView>) -> Int) -> Int? {
        var (count, next) = (0, start)
        while count < Self.batch, let length = length(at: next), length <= UInt32(longest) {
            let size = Int(length)
            guard end - next - 4 >= size else { break }
            if size > 0 {
                segments[count] = UnsafeRawBufferPointer(
                    rebasing: UnsafeRawBufferPointer(room)[next + 4..<next + 4 + size])
                frames[count] = FrameView(
                    segments: UnsafeBufferPointer(start: segments + count, count: 1), length: size)
                count += 1
            } else if count == 0 {
                start = next + 4
            } else {
                break
            }
            next += 4 + size
        }
        guard count > 0 else { return nil }
        let refused = min(count, max(0, body(UnsafeBufferPointer(start: frames, count: count))))
        for index in 0..<count - refused { start += 4 + frames[index].length }
        return refused
    }
}

/// What is to be sent.
struct StreamOutput: ~Copyable {
    private let batch: Int
    private let vectors: UnsafeMutablePointer<iovec>
    private let lengths: UnsafeMutablePointer<UInt32>
    private static let vectorLimit = 1024
    /// The rest of a frame that was cut.
    private var rest: [UInt8] = []
    private var sentOfRest = 0

    init(batch: Int) {
        self.batch = batch
        vectors = .allocate(capacity: Self.vectorLimit)
        lengths = .allocate(capacity: batch)
    }

    deinit {
        vectors.deallocate()
        lengths.deallocate()
    }

    /// The lengths of frames that were none, since the owner looked.
    var unsendable: [Int] = []

    /// The peer will not get the rest of a frame that was cut; bytes of that frame, nil when none was.
    mutating func dropRest() -> Int? {
        guard isCut else { return nil }
        defer { (rest, sentOfRest) = ([], 0) }
        return rest.count - 4
    }

    /// A frame is under way: it has to be finished first.
    var isCut: Bool { sentOfRest < rest.count }

    /// Sends frames; returns how many are on their way, the cut one included. 0: the socket is full.
    mutating func send(_ frames: UnsafeBufferPointer<FrameView>, to socket: CInt) throws(SystemError) -> Int {
        let (count, vectorCount) = gather(frames)
        guard count > 0 else {
            guard let frame = frames.first else { return 0 }
            unsendable.append(frame.length)
            return 1
        }
        guard var sent = try Self.write(vectors, vectorCount, to: socket) else { return 0 }
        for index in 0..<count {
            let size = frames[index].length + 4
            if sent < size {
                guard sent > 0 else { return index }
                keepRest(of: frames[index], from: sent)
                return index + 1
            }
            sent -= size
        }
        return count
    }

    /// Sends the rest of a cut frame; false while there is more of it.
    mutating func finishCut(to socket: CInt) throws(SystemError) -> Bool {
        while isCut {
            let (bytes, offset) = (rest, sentOfRest)
            let outcome = bytes.withUnsafeBytes { bytes in
                var vector = iovec(
                    iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress).map { $0 + offset },
                    iov_len: bytes.count - offset)
                return Result { () throws(SystemError) in try Self.write(&vector, 1, to: socket) }
            }
            guard let count = try outcome.get() else { return false }
            sentOfRest += count
        }
        rest.removeAll(keepingCapacity: true)
        sentOfRest = 0
        return true
    }

    /// Lengths and frames as vectors of one call: how many frames, how many vectors. A frame of more pieces than a call
    /// takes is none.
    private mutating func gather(_ frames: UnsafeBufferPointer<FrameView>) -> (Int, Int) {
        var (count, next) = (0, 0)
        for frame in frames.prefix(batch) {
            guard next + 1 + frame.segments.count <= Self.vectorLimit else { break }
            lengths[count] = UInt32(truncatingIfNeeded: frame.length).bigEndian
            vectors[next] = iovec(iov_base: lengths + count, iov_len: 4)
            next += 1
            for segment in frame.segments {
                vectors[next] = iovec(
                    iov_base: UnsafeMutableRawPointer(mutating: segment.baseAddress), iov_len: segment.count)
                next += 1
            }
            count += 1
        }
        return (count, next)
    }

    private mutating func keepRest(of frame: FrameView, from offset: Int) {
        let length = UInt32(truncatingIfNeeded: frame.length)
        rest = (0..<4).map { UInt8(truncatingIfNeeded: length >> (24 - 8 * $0)) }
        rest += [UInt8](unsafeUninitializedCapacity: frame.length) { room, count in
            count = frame.copy(from: 0, into: UnsafeMutableRawBufferPointer(room))
        }
        sentOfRest = offset
    }

    private static func write(_ vectors: UnsafeMutablePointer<iovec>, _ count: Int, to socket: CInt)
        throws(SystemError) -> Int?
    {
        var message = msghdr()
        message.msg_iov = vectors
        message.msg_iovlen = count
        var sent: Int
        repeat {
            sent = sendmsg(socket, &message, CInt(MSG_DONTWAIT) | withoutSignal)
        } while sent < 0 && errno == EINTR
        if sent < 0 {
            if errno == EAGAIN { return nil }
            throw SystemError(call: "sendmsg", code: errno)
        }
        return sent
    }
}

/// MSG_NOSIGNAL, which the C library's module does not show: EPIPE instead of SIGPIPE.
private let withoutSignal: CInt = 0x4000
