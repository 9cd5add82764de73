// Feeds arbitrary bytes to the node's terminal and shell: key sequences, lines, scripts. The first
// byte says whether the rest is typed in pieces or run as a script. Time is simulated; no run lasts
// longer than a fixed number of turns.

import Bytes
import FuzzMain
import Glibc
import GuestNode
import Virtio

@_cdecl("fuzz_shell_main")
public func main(_ count: CInt, _ words: FuzzWords?) -> CInt {
    fuzzMain(count, words) { Shell.run($0) }
}

enum Shell {
    static let memory = try? GuestMemory(size: 4 << 20)

    static func run(_ input: UnsafeBufferPointer<UInt8>) {
        guard let memory, let first = input.first else { return }
        let node = Node(NodeConfiguration(heap: GuestHeap(memory: memory), files: NoFiles(), seed: 1))
        let rest = Array(input.dropFirst())
        var now = Instant(nanoseconds: 1)
        if first & 1 == 1 {
            node.run(script: String(decoding: rest, as: UTF8.self))
            turn(node, &now)
        } else {
            let size = Int(first >> 1) + 1
            var position = 0
            while position < rest.count {
                let piece = Array(rest[position..<min(rest.count, position + size)])
                piece.withUnsafeBytes { node.console.input($0) }
                turn(node, &now)
                position += size
            }
        }
        node.console.drainOutput { $0.count }
    }

    static func turn(_ node: Node, _ now: inout Instant) {
        for _ in 0..<64 {
            node.turn(now: now)
            guard let next = node.nextDeadline else { return }
            now = max(now, next)
        }
    }
}
