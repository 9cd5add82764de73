// Feeds arbitrary bytes to curl as a server's answer, over the node's own loopback: head, framing,
// chunks, redirects. The first byte says in which pieces they are sent and which options curl has.

import Bytes
import FuzzMain
import Glibc
import GuestNode
import NetStack
import Virtio

@_cdecl("fuzz_curl_main")
public func main(_ count: CInt, _ words: FuzzWords?) -> CInt {
    fuzzMain(count, words) { Curl.run($0) }
}

enum Curl {
    static let memory = try? GuestMemory(size: 16 << 20)

    static func run(_ input: UnsafeBufferPointer<UInt8>) {
        guard let memory, let first = input.first else { return }
        let node = Node(NodeConfiguration(heap: GuestHeap(memory: memory), files: NoFiles(), seed: 1))
        var now = Instant(nanoseconds: 1)
        guard let listener = try? node.host.tcp.listen(on: 80) else { return }
        let options = ["", "-L --max-redirs 2", "-i", "-f"][Int(first & 3)]
        let session = node.run(script: "curl -m 5 \(options) http://127.0.0.1/")
        let answer = Array(input.dropFirst())
        var open: [(id: TCPSocketID, sent: Int)] = []
        for _ in 0..<512 where session.exitStatus == nil {
            node.turn(now: now)
            if let id = node.host.tcp.accept(listener) { open.append((id, 0)) }
            for index in open.indices { send(answer, Int(first >> 2) + 1, &open[index], node.host, now) }
            session.drainOutput { $0.count }
            now = max(now + .microseconds(100), node.nextDeadline ?? now)
        }
    }

    static func send(
        _ answer: [UInt8], _ size: Int, _ connection: inout (id: TCPSocketID, sent: Int), _ host: Host, _ now: Instant
    ) {
        guard connection.sent < answer.count else { return host.tcp.release(connection.id, now: now) }
        let piece = Array(answer[connection.sent..<min(answer.count, connection.sent + size * 8)])
        connection.sent += piece.withUnsafeBytes { host.tcp.send(connection.id, $0, now: now) }.count
    }
}
