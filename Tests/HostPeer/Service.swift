// The services by name. Counts and digests are printed when a connection has ended.

import Glibc

/// One argument of the command line, understood.
struct Service {
    let kind: Substring
    let port: UInt16
    let bytes: Int
    let pace: Pace

    /// `KIND:PORT`, `KIND:PORT:BYTES` or `KIND:PORT:BYTES:RATE`.
    init?(_ text: String) {
        let parts = text.split(separator: ":")
        guard parts.count >= 2, let port = UInt16(parts[1]) else { return nil }
        kind = parts[0]
        self.port = port
        bytes = parts.count > 2 ? Int(parts[2]) ?? 0 : 0
        pace = Pace(rate: parts.count > 3 ? Int(parts[3]) ?? 0 : 0)
    }

    /// Listens; false with errno when that fails.
    func start() -> Bool {
        let (bytes, pace) = (bytes, pace)
        switch kind {
        case "echo": return stream { echo($0, pace) } && datagrams { $0 }
        case "source":
            return stream { fd in
                sendPattern(fd, count: bytes)
                shutdown(fd, Int32(SHUT_WR))
                drain(fd)
            }
        case "sink": return stream(sink)
        case "ramp": return stream { checkRamp($0, pace) }
        case "mute": return stream { checkRamp($0, pace, isMute: true) }
        case "say": return stream { sayRamp($0, bytes, pace) }
        case "gate": return stream { sayRampBehindGate($0, bytes) }
        case "late":
            return stream { fd in
                Gate.wait()
                checkRamp(fd, pace)
            }
        case "call-ramp": return call { checkRamp($0, pace) }
        case "call-gate": return call { sayRampBehindGate($0, bytes) }
        case "call-say": return call { sayRamp($0, bytes, pace) }
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

    /// Calls at the port of this host instead of listening there.
    private func call(_ serve: @escaping @Sendable (CInt) -> Void) -> Bool {
        let fd = clientSocket(port)
        guard fd >= 0 else { return false }
        detach {
            serve(fd)
            close(fd)
        }
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

/// Says something only when a connection breaks.
private func echo(_ fd: CInt, _ pace: Pace) {
    var pace = pace
    withBlock { block in
        while true {
            let count = read(fd, block.baseAddress, pace.piece(block.count))
            guard count > 0, writeAll(fd, UnsafeRawBufferPointer(rebasing: block[..<count])) else {
                return count == 0 ? () : report("echo: \(endOfStream(-1))")
            }
            pace.wait(count)
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
    report("half: \(total) bytes, \(endOfStream(last))")
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
        drain(fd)
        return
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
func withBlock(_ body: (UnsafeMutableRawBufferPointer) -> Void) {
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 64)
    defer { block.deallocate() }
    body(block)
}
