// TCPSocketState as bytes: what is read is written as the same bytes, what is made survives the way there and back.

import Linux
import RepairHelper

enum Travelled {
    static func read(_ bytes: [UInt8]) {
        guard let value = try? TCPSocketState(decoding: bytes, queueLimit: 1 << 16) else { return }
        demand(value.encoded == bytes, "read and written differ: \(value)")
    }

    static func make(_ script: Script) {
        var script = script
        let isV6 = script.flag()
        guard let local = address(&script, isV6), let remote = address(&script, isV6) else { fatalError("an address") }
        let window = RepairWindow(
            lastUpdateSequence: script.integer(), send: script.integer(), sendMaximum: script.integer(),
            receive: script.integer(), receiveLastUpdate: script.integer())
        let states = MovableState.allCases
        var value = TCPSocketState(
            local: local, remote: remote, state: states[Int(script.byte()) % states.count], window: window)
        value.sendSequence = script.integer()
        value.receiveSequence = script.integer()
        value.maximumSegmentSize = script.integer()
        if script.flag() { value.windowScale = .init(send: script.byte() % 15, receive: script.byte() % 15) }
        value.isSACKPermitted = script.flag()
        if script.flag() { value.timestamp = script.integer() }
        value.sendQueue = script.bytes(Int(script.byte()))
        value.unsentCount = Int(script.byte()) % (value.sendQueue.count + 1)
        value.receiveQueue = script.bytes(Int(script.byte()))
        let again = try? TCPSocketState(decoding: value.encoded)
        demand(again == value, "\(value) came back as \(String(describing: again))")
    }

    private static func address(_ script: inout Script, _ isV6: Bool) -> InternetSocketAddress? {
        InternetSocketAddress(
            address: script.bytes(isV6 ? 16 : 4), port: script.integer(), scope: isV6 ? script.integer() : 0)
    }
}
