/* The MPS2 board with image AN385: registers as in Arm DAI 0385, UARTs as in Arm DDI 0479. */
#include "board.h"

#include <string.h>

struct uart {
    volatile uint32_t data;
    volatile uint32_t state;
    volatile uint32_t control;
    volatile uint32_t interrupt; /* read: pending; write: clear */
    volatile uint32_t divider;
};

#define UART_LINK ((struct uart *)0x40004000)
#define UART_RIG ((struct uart *)0x40005000)
#define UART_TX_FULL 1U
#define UART_RX_FULL 2U
#define UART_ENABLE 3U /* both directions */
#define UART_TX_INTERRUPT 4U
#define UART_RX_INTERRUPT 8U
#define UART_TX_PENDING 1U
#define UART_RX_PENDING 2U

#define FPGA_LIGHTS (*(volatile uint32_t *)0x40028000)
#define FPGA_COUNTER (*(volatile uint32_t *)0x40028018)
#define FPGA_PRESCALE (*(volatile uint32_t *)0x4002801C)

#define SYSTICK_CONTROL (*(volatile uint32_t *)0xE000E010)
#define SYSTICK_RELOAD (*(volatile uint32_t *)0xE000E014)
#define SYSTICK_VALUE (*(volatile uint32_t *)0xE000E018)
#define INTERRUPT_ENABLE (*(volatile uint32_t *)0xE000E100)
#define RESET_CONTROL (*(volatile uint32_t *)0xE000ED0C)
#define RESET_REQUEST 0x05FA0004U

#define CORE_HZ 25000000U
#define BAUD 115200U
#define WAKE_HZ 500U

/* One frame and a half come in while the main loop writes a whole frame; powers of two. */
#define LINK_RX_BYTES 512U
#define RIG_RX_BYTES 256U

struct received {
    uint32_t at;
    uint8_t byte;
};

/* The interrupts write the heads, the main loop writes the tails. */
static struct received link_rx[LINK_RX_BYTES];
static volatile uint32_t link_rx_head, link_rx_tail, link_rx_dropped;
static uint8_t rig_rx[RIG_RX_BYTES];
static volatile uint32_t rig_rx_head, rig_rx_tail;
static uint8_t link_tx[BOARD_LINK_BYTES_MAX];
static volatile uint32_t link_tx_sent, link_tx_length;

static uint32_t clock_high, clock_low;

static inline void interrupts_off(void) {
    __asm__ volatile("cpsid i" ::: "memory");
}

static inline void interrupts_on(void) {
    __asm__ volatile("cpsie i" ::: "memory");
}

void link_rx_interrupt(void);
void link_tx_interrupt(void);
void rig_rx_interrupt(void);
void systick_interrupt(void);
void fault_interrupt(void);

void link_rx_interrupt(void) {
    /* Cleared first: a byte that comes while we drain must raise it again. */
    UART_LINK->interrupt = UART_RX_PENDING;
    while ((UART_LINK->state & UART_RX_FULL) != 0) {
        struct received next = {.at = FPGA_COUNTER, .byte = (uint8_t)UART_LINK->data};
        if (link_rx_head - link_rx_tail < LINK_RX_BYTES) {
            link_rx[link_rx_head % LINK_RX_BYTES] = next;
            link_rx_head++;
        } else if (link_rx_dropped != UINT32_MAX) {
            link_rx_dropped++;
        }
    }
}

/* Feeds the transmitter; from its interrupt, and once to set it going. */
static void feed_link(void) {
    while (link_tx_sent < link_tx_length && (UART_LINK->state & UART_TX_FULL) == 0) {
        UART_LINK->data = link_tx[link_tx_sent];
        link_tx_sent++;
    }
}

void link_tx_interrupt(void) {
    UART_LINK->interrupt = UART_TX_PENDING;
    feed_link();
}

void rig_rx_interrupt(void) {
    UART_RIG->interrupt = UART_RX_PENDING;
    while ((UART_RIG->state & UART_RX_FULL) != 0) {
        uint8_t byte = (uint8_t)UART_RIG->data;
        if (rig_rx_head - rig_rx_tail < RIG_RX_BYTES) {
            rig_rx[rig_rx_head % RIG_RX_BYTES] = byte;
            rig_rx_head++;
        }
    }
}

void systick_interrupt(void) {
    /* It only wakes the main loop. */
}

void fault_interrupt(void) {
    /* The ring and the book of it outlive the reset; a gun that hangs would keep its shots. */
    RESET_CONTROL = RESET_REQUEST;
    for (;;) {
    }
}

void board_start(void) {
    FPGA_PRESCALE = CORE_HZ / 1000000U - 1;
    clock_low = FPGA_COUNTER;
    UART_LINK->divider = CORE_HZ / BAUD;
    UART_LINK->control = UART_ENABLE | UART_TX_INTERRUPT | UART_RX_INTERRUPT;
    UART_RIG->divider = CORE_HZ / BAUD;
    UART_RIG->control = UART_ENABLE | UART_RX_INTERRUPT;
    INTERRUPT_ENABLE = 1U << 0 | 1U << 1 | 1U << 2;
    SYSTICK_RELOAD = CORE_HZ / WAKE_HZ - 1;
    SYSTICK_VALUE = 0;
    SYSTICK_CONTROL = 7; /* core clock, with interrupt, on */
    interrupts_on();
}

uint64_t board_now_us(void) {
    uint32_t now = FPGA_COUNTER;
    if (now < clock_low) {
        clock_high++;
    }
    clock_low = now;
    return (uint64_t)clock_high << 32 | now;
}

bool board_link_read(uint8_t *byte, uint64_t *at_us) {
    if (link_rx_tail == link_rx_head) {
        return false;
    }
    struct received next = link_rx[link_rx_tail % LINK_RX_BYTES];
    link_rx_tail++;
    uint64_t now = board_now_us();
    /* The stamp has 32 bits and lies less than one round of the counter back. */
    *at_us = now - (uint32_t)((uint32_t)now - next.at);
    *byte = next.byte;
    return true;
}

bool board_link_is_idle(void) {
    return link_tx_sent == link_tx_length && (UART_LINK->state & UART_TX_FULL) == 0;
}

void board_link_write(const uint8_t *bytes, size_t length) {
    interrupts_off();
    memcpy(link_tx, bytes, length);
    link_tx_length = (uint32_t)length;
    link_tx_sent = 0;
    feed_link();
    interrupts_on();
}

uint32_t board_link_dropped(void) {
    return link_rx_dropped;
}

bool board_rig_read(uint8_t *byte) {
    if (rig_rx_tail == rig_rx_head) {
        return false;
    }
    *byte = rig_rx[rig_rx_tail % RIG_RX_BYTES];
    rig_rx_tail++;
    return true;
}

void board_rig_write(uint8_t byte) {
    while ((UART_RIG->state & UART_TX_FULL) != 0) {
    }
    UART_RIG->data = byte;
}

void board_light(bool on) {
    FPGA_LIGHTS = on ? 1 : 0;
}

void board_sleep(void) {
    /* With interrupts off a byte cannot come between the look and the sleep; wfi still wakes. */
    interrupts_off();
    if (link_rx_tail == link_rx_head && rig_rx_tail == rig_rx_head) {
        __asm__ volatile("wfi");
    }
    interrupts_on();
}

const uint8_t *board_image(size_t *length) {
    extern const uint8_t image_begin[], image_end[];
    *length = (size_t)(image_end - image_begin);
    return image_begin;
}
