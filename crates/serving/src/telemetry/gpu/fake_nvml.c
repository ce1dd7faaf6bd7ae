/* Stand-in for libnvidia-ml.so.1 with two cards, by nvml.h of NVIDIA. The second one supports neither utilisation, power nor
   temperature, as a card divided by MIG does not. */
#include <string.h>

enum { SUCCESS = 0, INVALID = 2, NOT_SUPPORTED = 3, DRIVER_NOT_LOADED = 9 };

typedef struct { int number; } card_t;
static card_t cards[2] = {{0}, {1}};

typedef struct {
  char bus_id_legacy[16];
  unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
  char bus_id[32];
} pci_t;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } memory_t;
typedef struct { unsigned gpu, memory; } utilization_t;

int nvmlInit_v2(void) {
#ifdef INIT_FAILS
  return DRIVER_NOT_LOADED;
#else
  return SUCCESS;
#endif
}

int nvmlShutdown(void) { return SUCCESS; }

int nvmlSystemGetDriverVersion(char *text, unsigned length) {
  strncpy(text, "580.95.05", length);
  return SUCCESS;
}

int nvmlDeviceGetCount_v2(unsigned *count) {
  *count = 2;
  return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, card_t **card) {
  if (index > 1) return INVALID;
  *card = &cards[index];
  return SUCCESS;
}

int nvmlDeviceGetName(card_t *card, char *text, unsigned length) {
  strncpy(text, card->number ? "Fake A100 with MIG" : "Fake H100", length);
  return SUCCESS;
}

int nvmlDeviceGetPciInfo_v3(card_t *card, pci_t *info) {
  memset(info, 0, sizeof *info);
  strcpy(info->bus_id, card->number ? "00000001:0A:00.0" : "00000000:07:00.0");
  return SUCCESS;
}

int nvmlDeviceGetMemoryInfo_v2(card_t *card, memory_t *memory) {
  if (memory->version != (sizeof *memory | 2u << 24)) return INVALID;
  memory->total = (card->number ? 40ull : 80ull) << 30;
  memory->used = (card->number ? 1ull : 12ull) << 30;
  memory->reserved = 0;
  memory->free = memory->total - memory->used;
  return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(card_t *card, utilization_t *rates) {
  if (card->number) return NOT_SUPPORTED;
  rates->gpu = 37;
  rates->memory = 5;
  return SUCCESS;
}

int nvmlDeviceGetPowerUsage(card_t *card, unsigned *milliwatts) {
  if (card->number) return NOT_SUPPORTED;
  *milliwatts = 345678;
  return SUCCESS;
}

int nvmlDeviceGetTemperature(card_t *card, int sensor, unsigned *degrees) {
  if (card->number || sensor != 0) return NOT_SUPPORTED;
  *degrees = 61;
  return SUCCESS;
}
