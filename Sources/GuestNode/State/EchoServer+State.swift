// An echod on its way to another process: its port, its listener, who is connected.

import Bytes
import NetStack

extension EchoServer {
    static let kind = "echod"
    static var blank: EchoServer { EchoServer(port: 0) }
    private static let mostConnections = 1 << 16

    mutating func code(_ coder: inout StateCoder, _ files: FileMover) throws(StateError) {
        try coder.integer(&port)
        try coder.optional(&listener)
        try coder.list(&connections, limit: Self.mostConnections, "connections of an echod")
    }
}
