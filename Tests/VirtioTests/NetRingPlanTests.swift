// How the rings of a driver share guest RAM.

import Testing

@testable import Virtio

@Suite("NetRingPlan")
struct NetRingPlanTests {
    private func plan(_ limit: UInt16, mtu: UInt16? = nil, isMergeable: Bool = true, budget: Int = 16 << 20)
        -> NetRingPlan
    {
        NetRingPlan(
            .init(receiveLimit: limit, transmitLimit: limit, mtu: mtu, isMergeable: isMergeable, budget: budget))
    }

    @Test("slots hold the largest frame and stay within the budget")
    func slots() {
        for limit in [UInt16(2), 16, 256, 1024] {
            for budget in [1 << 17, 1 << 20, 4 << 20, 16 << 20] {
                for isMergeable in [false, true] {
                    let plan = plan(limit, isMergeable: isMergeable, budget: budget)
                    #expect(plan.slotSize == plan.maximumMTU + 26)
                    #expect(Int(plan.transmitSize) * plan.slotSize <= max(budget, 2 * plan.slotSize))
                    #expect(Int(plan.receiveSize) * plan.bufferSize <= max(budget, 2 * plan.bufferSize))
                    #expect(plan.transmitSize <= limit && plan.receiveSize <= limit)
                    #expect(
                        plan.transmitSize & (plan.transmitSize - 1) == 0
                            && plan.receiveSize & (plan.receiveSize - 1) == 0)
                    #expect(isMergeable || plan.bufferSize >= plan.maximumMTU + 26)
                }
            }
        }
    }

    @Test("128 MiB carry jumbo frames on 256 entries; a tiny node makes do with 1500")
    func sizes() {
        let usual = plan(256)
        #expect(usual.maximumMTU == 65520)
        #expect(usual.transmitSize >= 128)
        #expect(usual.receiveSize == 256 && usual.bufferSize == 16384)
        #expect(plan(256, budget: 1 << 19).maximumMTU == 1500)
        #expect(plan(256, mtu: 9000).maximumMTU == 9000)
        #expect(plan(1024).bufferSize == 4096)
    }
}
