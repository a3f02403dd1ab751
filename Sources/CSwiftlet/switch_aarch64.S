// Context switch for AArch64 (AAPCS64).
//
// Saved: x19-x30, d8-d15 and FPCR. The frame layout is the same on both stacks, so one set of CFI
// holds across the change of stack pointer.
#if defined(__aarch64__)
        .text
        .p2align 4
        .globl  swiftlet_switch_stacks
        .hidden swiftlet_switch_stacks
        .type   swiftlet_switch_stacks, %function
// void swiftlet_switch_stacks(void **save_stack_pointer, void *stack_pointer)
swiftlet_switch_stacks:
        .cfi_startproc
        hint    #34             // bti c
        stp     x19, x20, [sp, #-176]!
        .cfi_def_cfa_offset 176
        stp     x21, x22, [sp, #16]
        stp     x23, x24, [sp, #32]
        stp     x25, x26, [sp, #48]
        stp     x27, x28, [sp, #64]
        stp     x29, x30, [sp, #80]
        .cfi_offset 19, -176
        .cfi_offset 20, -168
        .cfi_offset 21, -160
        .cfi_offset 22, -152
        .cfi_offset 23, -144
        .cfi_offset 24, -136
        .cfi_offset 25, -128
        .cfi_offset 26, -120
        .cfi_offset 27, -112
        .cfi_offset 28, -104
        .cfi_offset 29, -96
        .cfi_offset 30, -88
        stp     d8, d9, [sp, #96]
        stp     d10, d11, [sp, #112]
        stp     d12, d13, [sp, #128]
        stp     d14, d15, [sp, #144]
        mrs     x10, fpcr
        str     x10, [sp, #160]
        mov     x9, sp
        str     x9, [x0]
        mov     sp, x1
        ldr     x11, [sp, #160]
        cmp     x10, x11        // writing FPCR is slow and it hardly ever differs
        b.eq    1f
        msr     fpcr, x11
1:      ldp     d14, d15, [sp, #144]
        ldp     d12, d13, [sp, #128]
        ldp     d10, d11, [sp, #112]
        ldp     d8, d9, [sp, #96]
        ldp     x29, x30, [sp, #80]
        ldp     x27, x28, [sp, #64]
        ldp     x25, x26, [sp, #48]
        ldp     x23, x24, [sp, #32]
        ldp     x21, x22, [sp, #16]
        ldp     x19, x20, [sp], #176
        .cfi_def_cfa_offset 0
        .cfi_restore 19
        .cfi_restore 20
        .cfi_restore 21
        .cfi_restore 22
        .cfi_restore 23
        .cfi_restore 24
        .cfi_restore 25
        .cfi_restore 26
        .cfi_restore 27
        .cfi_restore 28
        .cfi_restore 29
        .cfi_restore 30
        br      x30             // not ret: the return predictor would miss
        .cfi_endproc
        .size   swiftlet_switch_stacks, .-swiftlet_switch_stacks

        .globl  swiftlet_first_frame
        .hidden swiftlet_first_frame
        .type   swiftlet_first_frame, %function
// The first frame of every stack: x19 = context, x20 = function that never returns.
        .cfi_startproc
        .cfi_undefined 30       // unwinders stop here
        nop                     // during the switch to a new stack this is its caller: unwinders look at the byte before
swiftlet_first_frame:
        hint    #36             // bti j
        mov     x29, xzr        // and so do frame-pointer walkers
        mov     x30, xzr
        mov     x0, x19
        blr     x20
        brk     #1
        .cfi_endproc
        .size   swiftlet_first_frame, .-swiftlet_first_frame
#endif
        .section .note.GNU-stack, "", %progbits
