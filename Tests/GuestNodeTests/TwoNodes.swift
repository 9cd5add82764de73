// Two nodes on one wire, each with a script.

import Bytes
import NetStack
import Virtio

@testable import GuestNode

/// Two nodes on one wire: 10.0.0.1 and 10.0.0.2.
struct Two {
    let a: SimulatedNode
    let b: SimulatedNode
    let simulation: Simulation

    init(settings: SimulatedNode.Settings = .init()) throws {
        a = try SimulatedNode("a", mac: 1, settings: settings)
        b = try SimulatedNode("b", mac: 2, settings: settings)
        try a.configure("10.0.0.1/24")
        try b.configure("10.0.0.2/24")
        simulation = Simulation(a, b)
    }

    /// Runs a script on each; true when both came to an end.
    func run(_ first: String, _ second: String, for limit: Interval = .seconds(300)) -> Bool {
        let one = a.node.run(script: first)
        simulation.run(for: .milliseconds(10))
        let other = b.node.run(script: second)
        return simulation.run(for: limit) { one.exitStatus != nil && other.exitStatus != nil }
    }

    /// What both have printed since the last call.
    func outputs() -> (String, String) { (a.node.script?.takeOutput() ?? "", b.node.script?.takeOutput() ?? "") }
    var statuses: [Int32?] { [a.node.script?.exitStatus, b.node.script?.exitStatus] }
}
