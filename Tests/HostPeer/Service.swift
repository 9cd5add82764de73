// The services by name. Counts and digests are printed when a connection has ended.

import Glibc

/// One argument of the command line, understood.
struct Service {
    let kind: Substring
    let port: UInt16
    let bytes: Int

    /// `KIND:PORT` or `KIND:PORT:BYTES`.
    init?(_ text: String) {
        let parts = text.split(separator: ":")
        guard parts.count >= 2, let port = UInt16(parts[1]) else { return nil }
        kind = parts[0]
        self.port = port
        bytes = parts.count > 2 ? Int(parts[2]) ?? 0 : 0
    }

    /// Listens; false with errno when that fails.
    func start() -> Bool {
        switch kind {
        case "echo": return stream(echo) && datagrams { $0 }
        case "source":
            let bytes = bytes
            return stream { fd in
                sendPattern(fd, count: bytes)
                shutdown(fd, Int32(SHUT_WR))
                drain(fd)
            }
        case "sink": return stream(sink)
        case "ramp": return stream(checkRamp)
        case "half": return stream(half)
        case "fast": return stream(fast)
        case "discard": return stream(discard)
        case "http": return stream(answerGET)
        case "dns": return datagrams(answerQuestion)
        default: return false
        }
    }

    private func stream(_ serve: @escaping @Sendable (CInt) -> Void) -> Bool {
        let listener = serverSocket(port, type: SOCK_STREAM)
        guard listener >= 0 else { return false }
        acceptLoop(listener, serve)
        return true
    }

    private func datagrams(_ answer: @escaping @Sendable (ArraySlice<UInt8>) -> ArraySlice<UInt8>?) -> Bool {
        let fd = serverSocket(port, type: SOCK_DGRAM)
        guard fd >= 0 else { return false }
        detach {
            var buffer = [UInt8](repeating: 0, count: 65536)
            while true {
                var from = sockaddr_storage()
                var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
                withUnsafeMutablePointer(to: &from) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { from in
                        let count = recvfrom(fd, &buffer, buffer.count, 0, from, &length)
                        guard count >= 0, let reply = answer(buffer[..<count]) else { return }
                        _ = reply.withUnsafeBytes { sendto(fd, $0.baseAddress, $0.count, 0, from, length) }
                    }
                }
            }
        }
        return true
    }
}

private func echo(_ fd: CInt) {
    withBlock { block in
        while true {
            let count = read(fd, block.baseAddress, block.count)
            guard count > 0, writeAll(fd, UnsafeRawBufferPointer(rebasing: block[..<count])) else { return }
        }
    }
}

private func sink(_ fd: CInt) {
    var digest = Digest()
    var total = 0
    withBlock { block in
        while true {
            let count = read(fd, block.baseAddress, block.count)
            guard count > 0 else { break }
            digest.add(UnsafeRawBufferPointer(rebasing: block[..<count]))
            total += count
        }
    }
    report("sink: \(total) bytes, sha256 \(digest.finish())")
}

/// Looks at every byte of a counting stream (words of 32 bits, big-endian, from 0 on); says how many were right, every
/// 64 KiB and at the end.
private func checkRamp(_ fd: CInt) {
    report("ramp: begins")
    var offset = 0
    var isRight = true
    withBlock { block in
        while isRight {
            let count = read(fd, block.baseAddress, 1 << 16)
            guard count > 0 else { break }
            let before = offset
            defer { if offset >> 16 != before >> 16 { report("ramp: goes on at \(offset)") } }
            for byte in block[..<count] {
                isRight = byte == UInt8(truncatingIfNeeded: (offset / 4) >> (8 * (3 - offset % 4)))
                guard isRight else { break }
                offset += 1
            }
        }
    }
    report("ramp: \(isRight ? "ends at \(offset)" : "byte \(offset) is wrong")")
}

/// Closes its sending side first and reads a little later to the end; says how that came.
private func half(_ fd: CInt) {
    shutdown(fd, Int32(SHUT_WR))
    usleep(100_000)
    var total = 0
    var last = 0
    withBlock { block in
        repeat {
            last = read(fd, block.baseAddress, block.count)
            total += max(0, last)
        } while last > 0
    }
    report("half: \(total) bytes, \(last == 0 ? "end of file" : String(cString: strerror(errno)))")
}

/// Sends for ever what costs nothing to make, for measurements.
private func fast(_ fd: CInt) {
    withBlock { block in
        block.initializeMemory(as: UInt8.self, repeating: 0x5A)
        while writeAll(fd, UnsafeRawBufferPointer(block)) {}
    }
}

/// Reads to the end without looking.
private func discard(_ fd: CInt) {
    withBlock { block in
        while read(fd, block.baseAddress, block.count) > 0 {}
    }
}

private func sendPattern(_ fd: CInt, count: Int) {
    var digest = Digest()
    var done = 0
    var gap = Gap()
    withBlock { block in
        while done < count {
            fillPattern(block, offset: done)
            let piece = UnsafeRawBufferPointer(rebasing: block[..<min(block.count, count - done)])
            digest.add(piece)
            guard writeAll(fd, piece) else { break }
            done += piece.count
            gap.step()
        }
    }
    report("source: \(done) bytes, sha256 \(digest.finish())")
    report("source: longest gap \(gap.longest / 1_000_000) ms")
}

/// The longest time in which no piece could be sent.
private struct Gap {
    private(set) var longest: Int64 = 0
    private var last = Self.now

    private static var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    mutating func step() {
        let now = Self.now
        longest = max(longest, now - last)
        last = now
    }
}

/// RFC 9112: the request up to the empty line; only the target matters.
private func answerGET(_ fd: CInt) {
    var request: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 2048)
    while !String(decoding: request, as: UTF8.self).contains("\r\n\r\n"), request.count < 16384 {
        let count = read(fd, &chunk, chunk.count)
        guard count > 0 else { return }
        request += chunk[..<count]
    }
    let words = String(decoding: request, as: UTF8.self).split(separator: " ")
    let path = words.count > 1 ? words[1] : ""
    report("http: \(words.first ?? "") \(path)")
    guard path != "/" else {
        let page = "Hello from the host.\n"
        let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: \(page.utf8.count)\r\n"
        let text = Array((answer + "Connection: close\r\n\r\n" + page).utf8)
        _ = text.withUnsafeBytes { writeAll(fd, $0) }
        shutdown(fd, Int32(SHUT_WR))
        return drain(fd)
    }
    guard path.hasPrefix("/bytes/"), let count = Int(path.dropFirst(7)) else {
        let missing = Array("HTTP/1.1 404 Not Found\r\nContent-Length: 10\r\nConnection: close\r\n\r\nnot found\n".utf8)
        _ = missing.withUnsafeBytes { writeAll(fd, $0) }
        return
    }
    let head = Array("HTTP/1.1 200 OK\r\nContent-Length: \(count)\r\nConnection: close\r\n\r\n".utf8)
    if head.withUnsafeBytes({ writeAll(fd, $0) }) { sendPattern(fd, count: count) }
    shutdown(fd, Int32(SHUT_WR))
    drain(fd)
}

/// Waits for the other side's end, so that closing does not reset what it has not read yet.
private func drain(_ fd: CInt) {
    var chunk = [UInt8](repeating: 0, count: 4096)
    while read(fd, &chunk, chunk.count) > 0 {}
}

/// RFC 1035, 4.1: the question copied, one A record behind it (type 1); other types get no records.
private func answerQuestion(_ query: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    var end = 12
    while end < query.count, query[end] != 0 { end += Int(query[end]) + 1 }
    guard end + 5 <= query.count else { return nil }
    let isInvalid = String(decoding: query[12..<end], as: UTF8.self).hasSuffix("invalid")
    let isAddress = query[end + 1] == 0 && query[end + 2] == 1 && !isInvalid
    var reply = Array(query[..<2]) + [0x81, isInvalid ? 0x83 : 0x80, 0, 1, 0, isAddress ? 1 : 0, 0, 0, 0, 0]
    reply += query[12..<(end + 5)]
    if isAddress { reply += [0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 53] }
    return reply[...]
}

/// Lends a block of 256 KiB.
private func withBlock(_ body: (UnsafeMutableRawBufferPointer) -> Void) {
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 64)
    defer { block.deallocate() }
    body(block)
}
