// Listening, accepting, reading and writing, each blocking; threads with a body.

import Glibc

private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

/// Runs `body` on a thread of its own.
func detach(_ body: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    let box = Unmanaged.passRetained(Body(body)).toOpaque()
    pthread_create(
        &thread, nil,
        { argument in
            if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
            return nil
        }, box)
    pthread_detach(thread)
}

/// One line on standard output, written in one piece.
func report(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = bytes.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
}

/// A socket bound to `port` of every IPv4 address, listening when it is a stream; -1 with errno on failure.
func serverSocket(_ port: UInt16, type: __socket_type) -> CInt {
    let fd = socket(AF_INET, Int32(type.rawValue), 0)
    guard fd >= 0 else { return -1 }
    var on: CInt = 1
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, 4)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    let result = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
    guard result == 0, type != SOCK_STREAM || listen(fd, 1024) == 0 else { return -1 }
    return fd
}

/// Accepts for ever; `serve` gets each connection on a thread of its own, which closes it afterwards.
func acceptLoop(_ listener: CInt, _ serve: @escaping @Sendable (CInt) -> Void) {
    detach {
        while true {
            let fd = accept(listener, nil, nil)
            guard fd >= 0 else { continue }
            detach {
                var on: CInt = 1
                setsockopt(fd, Int32(IPPROTO_TCP), TCP_NODELAY, &on, 4)
                serve(fd)
                close(fd)
            }
        }
    }
}

/// Writes everything; false when the other side has gone.
func writeAll(_ fd: CInt, _ bytes: UnsafeRawBufferPointer) -> Bool {
    var done = 0
    while done < bytes.count {
        let count = write(fd, bytes.baseAddress?.advanced(by: done), bytes.count - done)
        guard count > 0 else { return false }
        done += count
    }
    return true
}

/// A connection to `port` of the loopback, as soon as somebody takes it within ten seconds; -1 with errno otherwise.
func clientSocket(_ port: UInt16) -> CInt {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
    for _ in 0..<1000 {
        let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if result == 0 { return fd }
        close(fd)
        usleep(10_000)
    }
    return -1
}

/// How a stream ended, by what its last read returned.
func endOfStream(_ result: Int) -> String { result == 0 ? "end of file" : String(cString: strerror(errno)) }

/// Waits for the other side's end, so that closing does not reset what it has not read yet; returns the last read's
/// result.
@discardableResult
func drain(_ fd: CInt) -> Int {
    var chunk = [UInt8](repeating: 0, count: 4096)
    var last = 0
    repeat { last = read(fd, &chunk, chunk.count) } while last > 0
    return last
}
