// The node tool's `ramp` from the other side: a counting stream (words of 32 bits, big-endian, from 0 on) is said, or read
// and looked at, at a pace if one is given.

import Glibc

/// Says so many bytes of the ramp, or with 0 as many as go until the gate opens, closes its half and waits for the other's
/// end.
func sayRamp(_ fd: CInt, _ count: Int, _ pace: Pace) {
    var pace = pace
    var digest = Digest()
    var done = 0
    withBlock { block in
        while count == 0 ? !Gate.isOpen : done < count {
            let size = min(pace.piece(block.count), count == 0 ? .max : count - done)
            fillRamp(block, from: done, count: size)
            let piece = UnsafeRawBufferPointer(rebasing: block[..<size])
            digest.add(piece)
            guard writeAll(fd, piece) else { return report("say: \(done) bytes, \(endOfStream(-1))") }
            done += size
            pace.wait(size)
        }
        shutdown(fd, Int32(SHUT_WR))
        let end = endOfStream(drain(fd))
        report("say: \(done) bytes, \(end), sha256 \(digest.finish())")
    }
}

/// The first word of it, so that the connection stands for certain, and the rest when the gate opens.
func sayRampBehindGate(_ fd: CInt, _ count: Int) {
    withBlock { block in
        fillRamp(block, from: 0, count: min(count, block.count))
        guard writeAll(fd, UnsafeRawBufferPointer(rebasing: block[..<4])) else {
            return report("say: 0 bytes, \(endOfStream(-1))")
        }
        Gate.wait()
        guard writeAll(fd, UnsafeRawBufferPointer(rebasing: block[4..<min(count, block.count)])) else {
            return report("say: 4 bytes, \(endOfStream(-1))")
        }
        shutdown(fd, Int32(SHUT_WR))
        report("say: \(min(count, block.count)) bytes, \(endOfStream(drain(fd)))")
    }
}

/// Looks at every byte of a ramp to its end; says how many were right, every 64 KiB and at the end, and how that came.
/// - Parameter isMute: closes its own half before it reads.
func checkRamp(_ fd: CInt, _ pace: Pace, isMute: Bool = false) {
    report("ramp: begins")
    if isMute { shutdown(fd, Int32(SHUT_WR)) }
    var pace = pace
    var offset = 0
    withBlock { block in
        withBlock { expected in
            while true {
                let count = read(fd, block.baseAddress, pace.piece(1 << 16))
                guard count > 0 else { return report("ramp: ends at \(offset), \(endOfStream(count))") }
                fillRamp(expected, from: offset / 4 * 4, count: count + 4)
                let right = UnsafeRawBufferPointer(rebasing: expected[(offset % 4)...].prefix(count))
                if let wrong = firstFault(UnsafeRawBufferPointer(rebasing: block[..<count]), right) {
                    return report("ramp: byte \(offset + wrong) is wrong")
                }
                offset += count
                if offset >> 16 != (offset - count) >> 16 { report("ramp: goes on at \(offset)") }
                pace.wait(count)
            }
        }
    }
}

private func firstFault(_ bytes: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int? {
    guard let one = bytes.baseAddress, let other = right.baseAddress, memcmp(one, other, bytes.count) != 0 else {
        return nil
    }
    return bytes.indices.first { bytes[$0] != right[$0] }
}

/// Fills at least `count` bytes of `block` with the ramp from `offset` on (a multiple of 4).
private func fillRamp(_ block: UnsafeMutableRawBufferPointer, from offset: Int, count: Int) {
    let words = block.bindMemory(to: UInt32.self)
    var word = UInt32(truncatingIfNeeded: offset / 4)
    for position in 0..<min(words.count, (count + 3) / 4) {
        words[position] = word.bigEndian
        word &+= 1
    }
}

/// Bytes a second, in pieces of a hundredth of a second; 0: as fast as it goes.
struct Pace: Sendable {
    let rate: Int
    private var due = 0

    init(rate: Int) { self.rate = rate }

    /// How many bytes of `room` to move at once, in whole words.
    func piece(_ room: Int) -> Int { rate == 0 ? room : max(4, min(room, rate / 400 * 4)) }

    /// Sleeps as long as so many bytes take. What was late is not caught up.
    mutating func wait(_ count: Int) {
        guard rate > 0 else { return }
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        let now = time.tv_sec * 1_000_000 + time.tv_nsec / 1000
        due = max(due, now) + count * 1_000_000 / rate
        usleep(UInt32(clamping: due - now))
    }
}

/// What services wait for: SIGUSR1, once for all of them.
enum Gate {
    private static var signals: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGUSR1)
        return set
    }

    /// Before any thread is started: the signal is for whoever waits.
    static func prepare() {
        var set = signals
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    static var isOpen: Bool {
        var set = sigset_t()
        return sigpending(&set) == 0 && sigismember(&set, SIGUSR1) == 1
    }

    /// The signal stays pending for the next one.
    static func wait() {
        var set = signals
        var number: CInt = 0
        sigwait(&set, &number)
        kill(getpid(), SIGUSR1)
    }
}
