// A DHCP server at the end of a wire, as obedient or as odd as a test wants it.

import Bytes
import Link

@testable import NetStack

final class ScriptedDHCPServer {
    let mac = MACAddress(0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55)
    let server: IPv4Address
    var address: IPv4Address
    /// What it grants; the message type is filled in.
    var grant = DHCPOptions()
    var refuses = false
    var isSilent = false
    /// Answers ARP for every address but the granted one, as passt does.
    var answersARP = true
    /// Every message that came, with the source address of its packet.
    var received: [(message: DHCPMessage, source: IPAddress)] = []

    init(server: IPv4Address = IPv4Address(10, 0, 0, 254), address: IPv4Address = IPv4Address(10, 0, 0, 50)) {
        self.server = server
        self.address = address
        grant.subnetMask = IPv4Address(255, 255, 255, 0)
        grant.routers = [server]
        grant.nameServers = [server]
        grant.leaseTime = 3600
        grant.serverIdentifier = server
    }

    var end: WireEnd { WireEnd(script: { [self] frame, _ in answer(frame) }) }

    var types: [DHCPMessageType] { received.compactMap(\.message.options.messageType) }

    private func answer(_ frame: [UInt8]) -> [[UInt8]] {
        if let packet = arp(frame) { return answer(packet) }
        guard let (_, source, destination, data) = udp(frame), destination.port == 67,
            let message = data.withUnsafeBytes({ try? DHCPMessage($0) })
        else { return [] }
        received.append((message, source.address))
        guard !isSilent, let type = message.options.messageType, type == .discover || type == .request else {
            return []
        }
        var options = refuses && type == .request ? DHCPOptions() : grant
        options.serverIdentifier = grant.serverIdentifier
        options.messageType = type == .discover ? .offer : refuses ? .nak : .ack
        var reply = DHCPMessage(.reply, transaction: message.transaction, mac: message.mac, options: options)
        reply.yourAddress = address
        let target = message.clientAddress.isUnspecified ? address : message.clientAddress
        return [
            udpFrame(
                to: message.mac, from: mac, Endpoint(IPAddress(server), 67), Endpoint(IPAddress(target), 68),
                bytes { try reply.write(to: &$0) })
        ]
    }

    private func answer(_ packet: ARPPacket) -> [[UInt8]] {
        guard answersARP, packet.operation == .request, packet.target != address, packet.sender != packet.target else {
            return []
        }
        let reply = ARPPacket(
            .reply, senderMAC: mac, sender: packet.target, targetMAC: packet.senderMAC, target: packet.sender)
        return [arpFrame(to: packet.senderMAC, reply)]
    }
}
