// passt's stream mode next to its vhost-user mode, and next to what the kernel's socket can do at all: frames of
// the same size behind their lengths, 64 in a system call, from one thread to another, with nobody to look at them.

import CLinux
import Glibc
import TestSupport

enum StreamBench {
    @Sendable static func run() -> Int32 {
        NodeBench.guarded {
            var rows: [String: [NodeBench.Transfer]] = [:]
            var alone: [Int: [Double]] = [:]
            for _ in 0..<5 {
                for mtu in [1500, 65520] {
                    for isDownload in [true, false] {
                        let way = isDownload ? "host → node" : "node → host"
                        for isStream in [true, false] {
                            rows["\(mtu) | \(way) | \(isStream ? "stream" : "vhost-user")", default: []]
                                .append(try NodeBench.transfer(mtu: mtu, isDownload: isDownload, isStream: isStream))
                        }
                    }
                    alone[mtu, default: []].append(try socketAlone(frame: mtu + 14))
                }
            }
            Bench.say("| MTU | direction | over | Gbit/s | netemu CPU s/GiB | passt CPU s/GiB |")
            Bench.say("|---|---|---|---:|---:|---:|")
            for (name, runs) in rows.sorted(by: { $0.key < $1.key }) {
                Bench.say("| \(name) | \(NodeBench.medians(of: runs)) |")
            }
            for (mtu, runs) in alone.sorted(by: { $0.key < $1.key }) {
                Bench.say("| \(mtu) | one way | socket alone | \(fixed(median(runs), 2)) | | |")
            }
        }
    }

    /// What the sending thread needs.
    private final class Sender: Sendable {
        let socket: CInt
        let frame: Int
        let until: UInt64

        init(socket: CInt, frame: Int, until: UInt64) {
            self.socket = socket
            self.frame = frame
            self.until = until
        }

        func run() {
            let room = UnsafeMutableRawPointer.allocate(byteCount: 64 * frame + 4, alignment: 64)
            defer { room.deallocate() }
            memset(room, 1, 64 * frame + 4)
            room.storeBytes(of: UInt32(frame).bigEndian, as: UInt32.self)
            var vectors: [iovec] = []
            for index in 0..<64 {
                vectors.append(iovec(iov_base: room, iov_len: 4))
                vectors.append(iovec(iov_base: room + 4 + index * frame, iov_len: frame))
            }
            while ne_monotonic_ns() < until { if writev(socket, &vectors, 128) <= 0 { break } }
            shutdown(socket, CInt(SHUT_WR))
        }
    }

    /// Gbit/s of payload through a unix stream socket for one second.
    private static func socketAlone(frame: Int) throws -> Double {
        var ends: [CInt] = [-1, -1]
        guard socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends) == 0 else {
            throw TestFailure(description: "socketpair: \(String(cString: strerror(errno)))")
        }
        defer { for end in ends { close(end) } }
        let start = ne_monotonic_ns()
        var thread = pthread_t()
        let sender = Unmanaged.passRetained(Sender(socket: ends[0], frame: frame, until: start + 1_000_000_000))
        pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Sender>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, sender.toOpaque())
        let room = UnsafeMutableRawPointer.allocate(byteCount: 256 << 10, alignment: 64)
        defer { room.deallocate() }
        var bytes = 0
        while true {
            let count = read(ends[1], room, 256 << 10)
            if count <= 0 { break }
            bytes += count
        }
        pthread_join(thread, nil)
        return Double(bytes) * 8 / Double(ne_monotonic_ns() - start)
    }
}
