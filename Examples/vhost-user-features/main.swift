// Connects to the socket of a vhost-user back-end (passt --vhost-user, a DPDK application …), does the
// handshake and prints what the back-end offers.
//
//   swift run example-vhost-user-features /tmp/passt_1.socket

import Glibc
import Linux
import VhostUser
import Virtio

func run(_ path: String) throws {
    let reactor = try Reactor()
    let frontEnd = try FrontEnd(reactor: reactor, memory: GuestMemory(size: 1 << 20))
    frontEnd.onEvent = { event in
        switch event {
        case .connected(let features):
            print("virtio features a driver may use: 0x\(String(features, radix: 16))")
            print("protocol features agreed on:      0x\(String(frontEnd.protocolFeatures.rawValue, radix: 16))")
            reactor.stop()
        case .disconnected(let reason):
            print("\(path): \(reason)")
            reactor.stop()
        default: print("\(event)")
        }
    }
    try frontEnd.attach(UnixSocket.connect(to: path))
    try reactor.run()
}

guard CommandLine.arguments.count == 2 else {
    print("usage: example-vhost-user-features SOCKET")
    exit(2)
}
do { try run(CommandLine.arguments[1]) } catch {
    print("\(error)")
    exit(1)
}
