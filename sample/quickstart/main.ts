import 'reflect-metadata';
import { Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';

@Module({})
class AppModule {}

const app = await NestFactory.createApplicationContext(AppModule);
new Logger('quickstart').log('The quick start has nothing to show yet.');
await app.close();
